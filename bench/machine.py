"""The machine on which it is measured, and a folder of it that lies on a disk."""

import os
import platform
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import apsw
import psutil


@contextmanager
def folder() -> Iterator[Path]:
    """On a disk: /tmp often is none, and there a COMMIT costs nothing."""
    place = "/var/tmp" if os.access("/var/tmp", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="billfold-bench-", dir=place) as made:
        yield Path(made)


def named() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{time.strftime('%Y-%m-%d')}, {_processor()}, {psutil.cpu_count()} cores shared with the load,"
        f" {memory:.0f} GB, {platform.system()}, Python {platform.python_version()}"
    )


def described(place: Path) -> str:
    return (
        f"{named()}, SQLite {apsw.sqlite_lib_version()}; an fsync takes"
        f" {_fsync_milliseconds(place):.2f} ms, load before the run {os.getloadavg()[0]:.1f}."
    )


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(": ")[2]
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _fsync_milliseconds(place: Path) -> float:
    taken = []
    with open(place / "fsync", "wb", buffering=0) as file:
        for _ in range(50):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return median(taken) * 1000
