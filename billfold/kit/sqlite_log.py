"""SQLite's log: copied into the file beside the writes, so that hardly any of them waits for it.

SQLite itself copies the whole log within the COMMIT that makes it long. Here a thread copies it by a
connection of its own while writes go on; when what they have added meanwhile is little, the next COMMIT
copies that, and the log begins anew. Who reads a moment that is long past can make it longer.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress

import apsw

# 16 MB: pages that many commits touch are copied once for all of them.
LONG_PAGES = 4_000
# So many a COMMIT copies in a millisecond or two; on a disk that never gets there it copies them all.
LITTLE_PAGES, TOO_LONG_PAGES = 400, 8_000


class Log:
    """The log of one database, for the only process that writes to it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._copier = ThreadPoolExecutor(1, "checkpoint")
        self._copying: Future[None] | None = None
        self._copied_pages = 0

    def follow(self, driver: apsw.Connection) -> None:
        """Hear of each COMMIT of the connection that writes, in its thread."""
        driver.set_wal_hook(self._committed)

    def close(self) -> None:
        self._copier.shutdown()

    def _committed(self, driver: apsw.Connection, name: str, pages: int) -> int:
        if pages < self._copied_pages:
            self._copied_pages = 0  # It has begun anew.
        if pages >= LONG_PAGES and (self._copying is None or self._copying.done()):
            if pages - self._copied_pages > LITTLE_PAGES and pages < TOO_LONG_PAGES:
                self._copied_pages = pages
                self._copying = self._copier.submit(self._copy)
            else:
                _copy_all(driver)
        return apsw.SQLITE_OK

    def _copy(self) -> None:
        with closing(apsw.Connection(self._path, flags=apsw.SQLITE_OPEN_READWRITE)) as beside:
            beside.pragma("journal_mode")  # Before it has read anything it knows of no log.
            _copy_all(beside)


def _copy_all(driver: apsw.Connection) -> None:
    """What cannot be copied stays in the log, where it is as safe, and is copied later: the COMMIT that
    made it is done, and a disk that is full or broken will say so to the next."""
    with suppress(apsw.Error):
        driver.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
