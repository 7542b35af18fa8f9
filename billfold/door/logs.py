"""Log lines: structlog, JSON unless a person is looking, on standard error."""

import logging
import sys
from functools import cache
from typing import Any

import structlog


@cache
def logger():
    if sys.stderr.isatty():
        # A plain traceback: the usual one prints local variables, bodies and codes among them.
        renderer: Any = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    else:
        renderer = structlog.processors.JSONRenderer()
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # A console renders an exception itself.
    shared += [] if sys.stderr.isatty() else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[*shared, renderer], logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared)
    )
    # The standard library's loggers, ours and others', say it in the same form.
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    # It warns of what a broken pipeline leaves behind, after it has raised what broke it.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    return structlog.get_logger("billfold")
