"""SQLite on a disk that fails, beside others who write, and with statements that do not end: everyone
is answered, and what is said is true."""

import asyncio
import shutil
from pathlib import Path
from time import monotonic

import apsw
import pytest

from billfold.kit import sqlite, sqlite_log
from billfold.kit.errors import Unavailable
from tests.desk import V3, Desk, bill_of

BILLS = f"{V3}/bills"
PAGE_BYTES = 4096
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n"


class Disk(apsw.VFS):
    """One whose log cannot be brought to the disk while it is `broken`, and whose files cannot be
    written, but for the log, while it is `full`."""

    def __init__(self) -> None:
        super().__init__("failing", "unix")
        self.broken = self.full = False
        self.refused = 0

    def xOpen(self, name, flags):
        return DiskFile(self, name, flags)


class DiskFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name, flags) -> None:
        super().__init__("unix", name, flags)
        self.disk, self.is_log = disk, flags[0] & apsw.SQLITE_OPEN_WAL

    def xSync(self, flags):
        if self.is_log and self.disk.broken:
            raise apsw.IOError("it was not written")
        return super().xSync(flags)

    def xWrite(self, data, offset):
        if self.disk.full and not self.is_log:
            self.disk.refused += 1
            raise apsw.FullError("no room")
        super().xWrite(data, offset)


@pytest.fixture
def disk(monkeypatch):
    class OnIt(apsw.Connection):
        def __init__(self, *arguments, **options) -> None:
            super().__init__(*arguments, **({"vfs": "failing"} | options))

    disk = Disk()
    monkeypatch.setattr(apsw, "Connection", OnIt)
    yield disk
    disk.unregister()


@pytest.fixture
def desk(disk, sqlite_desk):
    sqlite_desk.signs_in()
    sqlite_desk.acme = sqlite_desk.vendor()
    return sqlite_desk


def files(desk, number: str):
    return desk.answer("POST", BILLS, bill_of(desk.acme, 7, number))


def numbers(desk) -> set[str]:
    return {each["invoice"]["invoiceNumber"] for each in desk.call("GET", BILLS)["results"]}


def after_a_kill(disk, desk, folder) -> set[str]:
    """What a server finds, on a good disk, that opens the files as they lie there now."""
    shutil.copytree(desk.settings.data, folder)
    disk.broken = False
    again = Desk(desk.runner, "sqlite:", str(folder))
    desk.runner.run(again.open(None))
    again.signs_in()
    found = numbers(again)
    desk.runner.run(again.close())
    return found


def test_what_the_disk_did_not_confirm_is_in_doubt_until_more_is_written(desk, disk, tmp_path):
    assert files(desk, "before").status_code == 201
    disk.broken = True
    answer = files(desk, "in doubt")
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert "not known whether this was done" in answer.json()[0]["message"]
    # It lies in the log whole, so that nobody may say that it was not done.
    assert after_a_kill(disk, desk, tmp_path / "killed") == {"before", "in doubt"}
    assert numbers(desk) == {"before"}
    assert files(desk, "after").status_code == 201
    assert numbers(desk) == after_a_kill(disk, desk, tmp_path / "later") == {"before", "after"}


def test_while_the_log_cannot_be_copied_it_grows_and_no_write_fails(desk, disk, monkeypatch, caplog):
    for name, pages in (("LONG", 20), ("LITTLE", 1), ("TOO_LONG", 40)):
        monkeypatch.setattr(sqlite_log, f"{name}_PAGES", pages)
    log = Path(f"{desk.environment.database.path}-wal")
    disk.full = True
    for number in range(10):
        assert files(desk, f"full {number}").status_code == 201
    grown = log.stat().st_size
    assert disk.refused > 1 and grown > 100 * PAGE_BYTES
    assert [said for said in caplog.messages if "cannot be copied" in said] == [
        "the write-ahead log grows, it cannot be copied: FullError('no room')"
    ]
    disk.full = False
    for number in range(10):
        assert files(desk, f"room {number}").status_code == 201
    assert len(numbers(desk)) == 20 and log.stat().st_size < 1.5 * grown


def test_a_connection_of_which_nothing_is_known_is_left_for_another(desk, monkeypatch):
    class Broken:
        def __init__(self, driver) -> None:
            self.driver = driver

        def __getattr__(self, name):
            return getattr(self.driver, name)

        def execute(self, text, *more):
            if text in ("COMMIT", "ROLLBACK"):
                raise apsw.IOError("no disk")
            return self.driver.execute(text, *more)

    opened, connections = sqlite.open_driver, []

    def opens(*arguments):
        connections.append(arguments)
        if len(connections) == 1:
            raise apsw.CantOpenError("too many open files")
        return opened(*arguments)

    database = desk.environment.database
    database.writer.driver = Broken(database.writer.driver)
    monkeypatch.setattr(sqlite, "open_driver", opens)
    said = [files(desk, str(number)) for number in range(3)]
    assert [each.status_code for each in said] == [503, 503, 201]
    assert "nothing was changed" in said[1].json()[0]["message"]
    assert numbers(desk) == {"2"}


def test_a_write_whose_statement_does_not_end_is_stopped(desk, monkeypatch):
    monkeypatch.setattr(sqlite, "WRITE_SECONDS_MAX", 0.05)

    def endless(work):
        work.connection.fetch(ENDLESS, [])

    def endless_insert(work):
        work.connection.driver.execute(f"INSERT INTO keys (id) {ENDLESS}")

    for rule in (endless, endless_insert):
        with pytest.raises(Unavailable, match="interrupt"):
            desk.writes(rule)
    assert files(desk, "next").status_code == 201


@pytest.fixture
def other(desk):
    other = apsw.Connection(desk.environment.database.path)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


def test_who_writes_waits_for_another_connection_and_nobody_else_does(desk, other):
    async def meanwhile():
        write = asyncio.create_task(desk.asks("POST", BILLS, bill_of(desk.acme, 7, "1")))
        reads = [(await desk.asks("GET", BILLS)).json()["results"] for _ in range(5)]
        assert not write.done()
        other.execute("ROLLBACK")
        return reads, await write

    reads, answer = desk.runner.run(meanwhile())
    assert reads == [[]] * 5 and answer.status_code == 201 and numbers(desk) == {"1"}


def test_another_connection_is_waited_for_so_long_and_no_longer(desk, other, monkeypatch):
    monkeypatch.setattr(sqlite, "OTHERS_SECONDS_MAX", 0.1)
    began = monotonic()
    for _ in range(2):
        answer = files(desk, "1")
        assert answer.status_code == 503 and "nothing was changed" in answer.json()[0]["message"]
    assert monotonic() - began >= 0.2
    other.execute("ROLLBACK")
    assert files(desk, "2").status_code == 201 and numbers(desk) == {"2"}


def test_however_many_wait_for_another_connection_they_wait_once(desk, other, monkeypatch):
    monkeypatch.setattr(sqlite, "OTHERS_SECONDS_MAX", 0.3)
    database = desk.environment.database

    async def write():
        return await database.write(lambda connection: connection.fetch("SELECT 1", []))

    async def all_of_them():
        return await asyncio.gather(*(write() for _ in range(400)), return_exceptions=True)

    began = monotonic()
    said = desk.runner.run(all_of_them())
    assert {type(each) for each in said} == {sqlite.CommitFailed}
    assert 0.3 <= monotonic() - began < 1.5  # And not for each group of them.


def test_a_read_whose_time_is_over_stops_no_commit(sqlite_url, open_desk, monkeypatch):
    monkeypatch.setattr(sqlite, "PROGRESS_STEPS", 1)
    desk = open_desk(sqlite_url)
    database = desk.environment.database

    def read_meanwhile() -> bool:
        database._read_until = 0.0
        return False

    database.writer.driver.set_commit_hook(read_meanwhile)
    desk.signs_in()
    assert desk.vendor("V1")
