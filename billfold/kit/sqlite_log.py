"""SQLite's log: copied into the file beside the writes, so that hardly any of them waits for it.

SQLite itself copies the whole log within the COMMIT that makes it long. Here a thread copies it by a
connection of its own while writes go on; when what they have added meanwhile is little, the next COMMIT
copies that, and the log begins anew. A disk on which that does not come to an end is waited for.

What cannot be copied, because somebody reads a moment that is past or the disk refuses it, stays in the
log, where it is as safe, and is copied later.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import apsw

# 16 MB: pages that many commits touch are copied once for all of them.
LONG_PAGES = 4_000
LITTLE_PAGES, TOO_LONG_PAGES = 400, 8_000

log = logging.getLogger("billfold")


class Log:
    """The log of one database, for the only process that writes to it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._copier = ThreadPoolExecutor(1, "checkpoint")
        self._copier.submit(int)  # The thread is there before a COMMIT needs it.
        self._copying: Future[int] | None = None
        self._copied_pages = 0
        self._refused = False

    def follow(self, driver: apsw.Connection) -> None:
        """Hear of each COMMIT of the connection that writes, in its thread."""
        driver.set_wal_hook(self._committed)

    def close(self) -> None:
        """Waits for what is being copied."""
        self._copier.shutdown()

    def _committed(self, driver: apsw.Connection, name: str, pages: int) -> int:
        """What is raised here would be taken for a COMMIT that has failed: it is done."""
        if self._copying and (self._copying.done() or pages >= TOO_LONG_PAGES):
            self._copied_pages, self._copying = self._copying.result(), None
        if pages < LONG_PAGES:
            self._copied_pages = 0
        elif not self._copying:
            if pages - self._copied_pages > LITTLE_PAGES and pages < TOO_LONG_PAGES:
                self._copying = self._copier.submit(self._tried, self._copy)
            else:
                self._tried(lambda: _copy_by(driver))
        return apsw.SQLITE_OK

    def _copy(self) -> int:
        with closing(apsw.Connection(self._path, flags=apsw.SQLITE_OPEN_READWRITE)) as beside:
            beside.pragma("journal_mode")  # Before it has read anything it knows of no log.
            return _copy_by(beside)

    def _tried(self, copy: Callable[[], int]) -> int:
        """How many pages of the log lie in the file; of a disk that refuses it is told once."""
        try:
            copied, self._refused = copy(), False
            return copied
        except apsw.BusyError:
            return 0  # Another connection copies.
        except Exception as trouble:
            if not self._refused:
                log.error("the write-ahead log grows, it cannot be copied: %r", trouble)
            self._refused = True
            return 0


def _copy_by(driver: apsw.Connection) -> int:
    _, copied = driver.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    return copied
