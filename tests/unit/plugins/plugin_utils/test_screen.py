# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The screen: lines for each host and for all, and when nobody is to see anything."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.plugin_utils._progress import Reading
from ansible_collections.airlift.registry.plugins.plugin_utils._screen import Board, Screen, is_wanted

MB = 1_000_000


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test can change."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def board(tmp_path: Path) -> t.Callable[[int], Board]:
    """The board as one of five hosts has it."""
    return lambda number: Board(str(tmp_path / "board"), number, 5)


def test_all_hosts_make_one_line_a_second(now: list[float], board: t.Callable[[int], Board]) -> None:
    first, last = board(0), board(4)
    assert first.note(10 * MB, 100 * MB, 2 * MB) == "1 of 5 hosts: 10.0 of 100.0 MB (10 %), 2.0 MB/s, 45 s left"
    now[0] += 0.5
    assert last.note(50 * MB, 100 * MB, 8 * MB) is None
    now[0] += 0.5
    assert first.note(20 * MB, 100 * MB, 2 * MB) == "2 of 5 hosts: 70.0 of 200.0 MB (35 %), 10.0 MB/s, 13 s left"


def test_the_end_of_all_is_told_at_once(now: list[float], board: t.Callable[[int], Board]) -> None:
    first, last = board(0), board(4)
    first.note(10 * MB, 100 * MB, 2 * MB)
    assert last.note(50 * MB, 50 * MB, 0) is None
    assert first.note(100 * MB, 100 * MB, 0) == "2 of 5 hosts: 150.0 of 150.0 MB (100 %), 0.0 MB/s, done"


def test_a_host_that_is_left_out_is_not_waited_for(now: list[float], board: t.Callable[[int], Board]) -> None:
    lines: list[str] = []
    good, bad, unlucky = (Screen(lines.append, board(number)) for number in range(3))
    bad.show(Reading("ship1", 10 * MB, 100 * MB, 0, 5.0))
    unlucky.end(0)
    bad.end(10 * MB)
    now[0] += 2
    good.show(Reading("ship0", 100 * MB, 100 * MB, 0, 5.0))
    assert lines == [
        "ship1: 10.0 of 100.0 MB (10 %), 2.0 MB/s, 45 s left",
        "1 of 5 hosts: 10.0 of 100.0 MB (10 %), 2.0 MB/s, 45 s left",
        "1 of 5 hosts: 10.0 of 10.0 MB (100 %), 0.0 MB/s, done",
        "ship0: 100.0 of 100.0 MB (100 %), 20.0 MB/s, done",
        "2 of 5 hosts: 110.0 of 110.0 MB (100 %), 0.0 MB/s, done",
    ]


def test_a_host_alone_has_its_own_line_only() -> None:
    lines: list[str] = []
    screen = Screen(lines.append, None)
    screen.show(Reading("ship1", 10 * MB, 100 * MB, 0, 5.0))
    screen.end(10 * MB)
    assert lines == ["ship1: 10.0 of 100.0 MB (10 %), 2.0 MB/s, 45 s left"]


# A worker of Ansible's has outputs of its own, so it is the parent's that count: a child asks.
ASK = """
import os, subprocess, sys
child = "import os; from ansible_collections.airlift.registry.plugins.plugin_utils._screen import is_wanted; print(is_wanted(os.environ))"
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
    assert not is_wanted({"CI": "1"})
