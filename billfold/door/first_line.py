"""The log is set up by its first line: what that needs takes longer to import than all of a start."""

import logging

PYTHONS = logging.lastResort


class FirstLine(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        prepare()
        logging.lastResort = PYTHONS  # Who takes our handler away afterwards does without its form.
        logging.getLogger(record.name).handle(record)


logging.lastResort = FirstLine(logging.WARNING)


def prepare() -> None:
    """Also called beside the first requests, instead of within one."""
    from billfold.door import logs

    logs.logger()
