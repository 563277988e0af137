# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Progress: what people see, and when nobody is to see anything."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time

import pytest

from ansible_collections.airlift.registry.plugins.plugin_utils import _progress
from ansible_collections.airlift.registry.plugins.plugin_utils._progress import Progress, is_wanted, progress_line

MB = 1_000_000


@pytest.mark.parametrize(
    ("sent", "total", "seconds", "line"),
    [
        pytest.param(25 * MB, 100 * MB, 5, "host1: 25.0 of 100.0 MB (25 %), 5.0 MB/s, 15 s left", id="on its way"),
        pytest.param(0, 100 * MB, 5, "host1: 0.0 of 100.0 MB (0 %), 0.0 MB/s, waiting", id="nothing yet"),
        pytest.param(0, 100 * MB, 0, "host1: 0.0 of 100.0 MB (0 %), 0.0 MB/s, waiting", id="no time has passed"),
        pytest.param(100 * MB, 100 * MB, 10, "host1: 100.0 of 100.0 MB (100 %), 10.0 MB/s, done", id="done"),
        pytest.param(0, 0, 0, "host1: 0.0 of 0.0 MB (100 %), 0.0 MB/s, done", id="nothing to do"),
    ],
)
def test_one_line(sent: int, total: int, seconds: float, line: str) -> None:
    assert progress_line("host1", sent, total, seconds) == line


def test_says_something_now_and_then_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    lines: list[str] = []
    progress = Progress("host1", 10 * MB, lines.append)
    for _part in range(10):
        now[0] += 0.4
        progress.advance(MB)
    assert [line.split(",")[0] for line in lines] == [
        "host1: 3.0 of 10.0 MB (30 %)",
        "host1: 6.0 of 10.0 MB (60 %)",
        "host1: 9.0 of 10.0 MB (90 %)",
        "host1: 10.0 of 10.0 MB (100 %)",
    ]
    assert progress.sent == 10 * MB


# A worker of Ansible's has outputs of its own, so it is the parent's that count: a child asks.
ASK = """
import os, subprocess, sys
child = "import os; from ansible_collections.airlift.registry.plugins.plugin_utils._progress import is_wanted; print(is_wanted(os.environ))"
print(subprocess.run([sys.executable, "-c", child], stderr=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True).stdout.strip())
"""


@pytest.mark.parametrize(
    ("terminal", "environment", "expected"),
    [
        pytest.param(True, {}, "True", id="a terminal"),
        pytest.param(True, {"CI": "true"}, "False", id="a terminal under CI"),
        pytest.param(False, {}, "False", id="a pipe"),
    ],
)
def test_somebody_watches(terminal: bool, environment: dict[str, str], expected: str) -> None:
    inherited = {name: value for name, value in os.environ.items() if name != "CI"}
    path = os.pathsep.join(entry for entry in sys.path if entry)
    leader, follower = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", ASK],
            env={**inherited, **environment, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=follower if terminal else subprocess.DEVNULL,
            check=True,
            text=True,
        )
    finally:
        os.close(leader)
        os.close(follower)
    assert done.stdout.strip() == expected


def test_a_parent_that_cannot_be_seen_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getppid", lambda: 2**22 + 1)
    assert not is_wanted({})
    assert _progress.is_wanted({"CI": "1"}) is False
