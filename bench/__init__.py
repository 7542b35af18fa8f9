"""Benchmarks: what Billfold costs beside the least program that answers the same two requests."""
