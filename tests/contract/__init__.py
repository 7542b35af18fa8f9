"""BILL's wire contract, read from YAML, and the checks of every answer against it."""
