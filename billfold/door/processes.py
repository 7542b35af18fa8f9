"""The API processes of one server: uvicorn's supervisor, which also says when one has ended."""

import logging

from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

log = logging.getLogger("billfold")


class Processes(Multiprocess):
    def keep_subprocess_alive(self) -> None:
        before = list(self.processes)
        super().keep_subprocess_alive()
        for each in before:
            if each not in self.processes and (code := each.exitcode) is not None:
                how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
                log.error("process %s ended %s: another one takes its place", each.pid, how)

    @property
    def failed(self) -> bool:
        """Whether all were ended because one could not start."""
        return any(each.exitcode == STARTUP_FAILURE for each in self.processes)
