# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that the lab has done in a throwaway container."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support.lab import ROOT, eventually, lab
from lab.container import run_script
from lab.errors import LabError


@pytest.fixture(scope="module")
def base() -> str:
    return lab("image", "base").split()[1]


def containers(directory: Path) -> list[str]:
    """What runs, or is left, that has this directory mounted."""
    listing = ["docker", "ps", "--all", "--quiet", "--filter", f"volume={directory}"]
    return subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split()


def run(image: str, script: str, directory: Path) -> None:
    (directory / "script.sh").write_text(script)
    run_script(image, directory / "script.sh", "word", out=directory, log=directory / "log")


def test_script_leaves_its_result_and_no_container(base: str, tmp_path: Path) -> None:
    run(base, 'echo "$1" > /out/result\n', tmp_path)
    assert (tmp_path / "result").read_text() == "word\n"
    assert containers(tmp_path) == []


def test_script_that_fails_is_an_error_with_what_it_said(base: str, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="(?s)failed with code 3.*\nno such crate"):
        run(base, "echo no such crate >&2; exit 3\n", tmp_path)
    assert containers(tmp_path) == []


# Tests that run in the background have SIGINT ignored, and so would this process.
WORKER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from lab.container import run_script
image, directory = sys.argv[1], Path(sys.argv[2])
run_script(image, directory / "script.sh", out=directory, log=directory / "log")
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_work_ends_with_whoever_wanted_it(base: str, tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "script.sh").write_text("touch /out/started; sleep 1000\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "molecule/resources")}
    with subprocess.Popen([sys.executable, "-c", WORKER, base, tmp_path], env=environment) as worker:
        eventually((tmp_path / "started").exists, "the script")
        worker.send_signal(number)
    eventually(lambda: not containers(tmp_path), "the container's end")
