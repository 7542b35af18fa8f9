"""SQLite's log is copied into the file beside the writes, and begins anew however busy these are."""

import shutil
from contextlib import closing
from threading import Event
from time import monotonic, sleep

import apsw
import pytest

from billfold.kit import sqlite_log
from billfold.kit.sqlite import open_driver
from billfold.kit.sqlite_log import Log

LONG, LITTLE, TOO_LONG = 100, 20, 300
# More than one of these commits writes.
FEW = 10
WAIT_SECONDS = 10


@pytest.fixture
def path(tmp_path, monkeypatch):
    for name, pages in (("LONG", LONG), ("LITTLE", LITTLE), ("TOO_LONG", TOO_LONG)):
        monkeypatch.setattr(sqlite_log, f"{name}_PAGES", pages)
    return str(tmp_path / "billfold.db")


@pytest.fixture
def lengths(monkeypatch) -> list[int]:
    """How many pages the log had after each commit."""
    heard, committed = [], Log._committed

    def hear(log, driver, name, pages):
        heard.append(pages)
        return committed(log, driver, name, pages)

    monkeypatch.setattr(Log, "_committed", hear)
    return heard


@pytest.fixture
def log(path):
    log = Log(path)
    yield log
    log.close()


@pytest.fixture
def driver(path, log, lengths):
    with closing(open_driver(path, writes=True)) as driver:
        driver.execute("CREATE TABLE kept (page BLOB)")
        log.follow(driver)
        yield driver


def writes(driver, pages: int) -> None:
    """As many commits, each of another page and of what leads to it."""
    for _ in range(pages):
        driver.execute("INSERT INTO kept VALUES (zeroblob(4000))")


def writes_and_waits(driver, log, pages: int) -> None:
    """For each copy that a commit begins, before the next."""
    for _ in range(pages):
        writes(driver, 1)
        if log._copying:
            log._copying.result(WAIT_SECONDS)


def writes_until_it_is_copied(driver, log) -> int:
    for written in range(LONG):
        if log._copying:
            return written
        writes(driver, 1)
    raise AssertionError("nobody copies the log")


def in_the_file(path, tmp_path) -> int:
    """How many rows are found without the log."""
    alone = str(shutil.copy(path, tmp_path / "alone.db"))
    with closing(apsw.Connection(alone)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM kept").fetchone()
    return count


def test_a_long_log_is_copied_beside_the_writes_and_begins_anew(driver, log, lengths, path, tmp_path):
    written = 0
    for _ in range(3):
        written += writes_until_it_is_copied(driver, log)
        log._copying.result(WAIT_SECONDS)
        assert in_the_file(path, tmp_path) == written and lengths[-1] >= LONG
        writes(driver, 1)
        written += 1
        assert lengths[-1] < FEW


def test_what_is_added_meanwhile_is_copied_within_a_commit(
    driver, log, lengths, path, tmp_path, monkeypatch
):
    copy, added = Log._copy, Event()
    monkeypatch.setattr(Log, "_copy", lambda log: added.wait(WAIT_SECONDS) and copy(log))
    written = writes_until_it_is_copied(driver, log)
    with closing(open_driver(path, writes=False)) as reader:
        reader.execute("BEGIN; SELECT count(*) FROM kept").fetchall()
        writes(driver, 3)
        added.set()  # It copies no more than all readers know.
        log._copying.result(WAIT_SECONDS)
    writes(driver, 1)
    assert in_the_file(path, tmp_path) == written + 4 and lengths[-1] > LONG
    writes(driver, 1)
    assert lengths[-1] < FEW


def test_what_is_copied_too_little_of_is_copied_within_a_commit(driver, log, lengths, monkeypatch):
    monkeypatch.setattr(Log, "_copy", lambda log: 0)
    writes_and_waits(driver, log, TOO_LONG)
    assert TOO_LONG <= max(lengths) < TOO_LONG + FEW


def test_a_log_that_is_too_long_waits_for_a_slow_copy(driver, lengths, monkeypatch):
    copy = Log._copy

    def copy_late(log):
        until = monotonic() + WAIT_SECONDS
        while max(lengths) < TOO_LONG and monotonic() < until:
            sleep(0.001)
        sleep(0.05)  # Who did not wait would write much meanwhile.
        return copy(log)

    monkeypatch.setattr(Log, "_copy", copy_late)
    writes(driver, TOO_LONG)
    assert TOO_LONG <= max(lengths) < TOO_LONG + FEW


def test_who_reads_of_long_ago_makes_the_log_longer_and_no_write_fails(driver, log, lengths, path):
    writes(driver, 1)
    with closing(open_driver(path, writes=False)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM kept").fetchone() == (1,)
        writes_and_waits(driver, log, TOO_LONG)
        assert reader.execute("SELECT count(*) FROM kept").fetchone() == (1,)
    assert lengths[-1] > TOO_LONG + FEW
    writes(driver, 2)
    assert lengths[-1] < FEW


def test_whatever_copying_meets_no_commit_fails_and_it_is_told_once(driver, log, monkeypatch, caplog):
    def refuse(log):
        raise OSError("too many open files")

    monkeypatch.setattr(Log, "_copy", refuse)
    writes_and_waits(driver, log, LONG)
    (told,) = caplog.messages
    assert "cannot be copied: OSError('too many open files')" in told
