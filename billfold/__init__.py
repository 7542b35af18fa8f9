"""Billfold: accounts payable and receivable that speaks BILL's APIs on the wire."""

VERSION = "0.1.0"
