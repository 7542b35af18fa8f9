"""SQLite's log is copied into the file beside the writes, and begins anew however busy these are."""

import shutil
from contextlib import closing
from threading import Event

import apsw
import pytest

from billfold.kit import sqlite_log
from billfold.kit.sqlite import open_driver
from billfold.kit.sqlite_log import Log

LONG, LITTLE, TOO_LONG = 100, 20, 300
WAIT_SECONDS = 10


@pytest.fixture
def path(tmp_path, monkeypatch):
    for name, pages in (("LONG", LONG), ("LITTLE", LITTLE), ("TOO_LONG", TOO_LONG)):
        monkeypatch.setattr(sqlite_log, f"{name}_PAGES", pages)
    return str(tmp_path / "billfold.db")


@pytest.fixture
def log(path):
    log = Log(path)
    yield log
    log.close()


@pytest.fixture
def driver(path, log):
    with closing(open_driver(path, writes=True)) as driver:
        driver.execute("CREATE TABLE kept (page BLOB)")
        log.follow(driver)
        yield driver


def writes(driver, pages: int) -> None:
    """As many commits, each of another page and of what leads to it."""
    for _ in range(pages):
        driver.execute("INSERT INTO kept VALUES (zeroblob(4000))")


def log_pages(driver) -> int:
    """How long the log is; this copies of it what can be copied."""
    pages, _ = driver.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    return pages


def in_the_file(path, tmp_path) -> int:
    """How many rows are found without the log."""
    alone = str(shutil.copy(path, tmp_path / "alone.db"))
    with closing(apsw.Connection(alone)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM kept").fetchone()
    return count


def writes_until_it_is_copied(driver, log) -> int:
    before = log._copying
    for written in range(LONG):
        if log._copying is not before:
            return written
        writes(driver, 1)
    raise AssertionError("nobody copies the log")


def test_a_long_log_is_copied_beside_the_writes_and_begins_anew(driver, log, path, tmp_path):
    written = 0
    for _ in range(3):
        written += writes_until_it_is_copied(driver, log)
        log._copying.result(WAIT_SECONDS)
        assert in_the_file(path, tmp_path) == written
        writes(driver, 1)
        written += 1
        assert log_pages(driver) < LITTLE


def test_what_is_added_meanwhile_is_copied_within_a_commit(driver, log, path, tmp_path, monkeypatch):
    copy, added = Log._copy, Event()
    monkeypatch.setattr(Log, "_copy", lambda log: added.wait(WAIT_SECONDS) and copy(log))
    written = writes_until_it_is_copied(driver, log)
    with closing(open_driver(path, writes=False)) as reader:
        reader.execute("BEGIN; SELECT count(*) FROM kept").fetchall()
        writes(driver, 3)
        added.set()
        log._copying.result(WAIT_SECONDS)
    writes(driver, 1)
    assert in_the_file(path, tmp_path) == written + 4
    writes(driver, 1)
    assert log_pages(driver) < LITTLE


def test_where_copying_is_slower_than_writing_the_log_is_copied_within_a_commit(driver, monkeypatch):
    monkeypatch.setattr(Log, "_copy", lambda log: None)
    writes(driver, TOO_LONG)
    assert log_pages(driver) < TOO_LONG


def test_who_reads_of_long_ago_makes_the_log_longer_and_no_write_fails(driver, path):
    writes(driver, 1)
    with closing(open_driver(path, writes=False)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM kept").fetchone() == (1,)
        writes(driver, TOO_LONG)
        assert reader.execute("SELECT count(*) FROM kept").fetchone() == (1,)
        assert log_pages(driver) > TOO_LONG
    writes(driver, 2)
    assert log_pages(driver) < LONG
