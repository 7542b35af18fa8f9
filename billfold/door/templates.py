"""Jinja, set up once for all pages: what is put in is escaped, and what is missing is a mistake."""

from collections.abc import Callable
from functools import cache
from pathlib import Path


@cache
def templates(*folders: Path, **filters: Callable[[str], str]):
    """Templates are looked for in one folder after the other; every environment has the same. Jinja is
    imported when the first page is asked for: it is no part of a start."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters.update(filters)
    return made
