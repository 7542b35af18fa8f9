"""A wheel is whole: all that is no Python is in it too, and it serves from there."""

import shutil
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.server import Process

pytestmark = pytest.mark.proof
HOME = Path(__file__).parent.parent.parent


def test_a_wheel_holds_everything_that_is_served(tmp_path):
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(HOME / "billfold", source / "billfold", ignore=ignored)
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(HOME / name, source)
    build = ("pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, source)
    made = subprocess.run([sys.executable, "-m", *build], capture_output=True, text=True, timeout=120)
    assert made.returncode == 0, made.stderr
    (wheel,) = tmp_path.glob("billfold-*.whl")
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    for file in source.joinpath("billfold").rglob("*.*"):
        assert (installed / file.relative_to(source)).exists(), file
    # Not what lies in the working directory.
    alone = {"PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    process = Process("serve", "--data", str(tmp_path / "data"), "--port", "0", afresh=True, **alone)
    try:
        base = process.first.split()[-1]
        for path in ("/healthz", "/docs", "/openapi.json", "/console/sign-in"):
            with urllib.request.urlopen(base + path, timeout=20) as answer:
                assert answer.read()
        assert not process.errors()
    finally:
        process.kill()
