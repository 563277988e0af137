# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events: whole lines, whoever else writes, and never a reason to fail."""

from __future__ import annotations

import json
import multiprocessing
import time
import typing as t
from collections import Counter
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.plugin_utils._events import Events
from ansible_collections.airlift.registry.plugins.plugin_utils._progress import Reading

LINES, HOSTS = 200, 8


def told(path: Path) -> list[dict[str, t.Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_has_the_time_the_host_and_what_happened(tmp_path: Path) -> None:
    before = time.time()
    events = Events(str(tmp_path / "events"), "ship1", is_check=False)
    events.tell("start")
    events.tell_progress(Reading("ship1", 30, 100, 5, 2.0))
    start, progress = told(tmp_path / "events")
    assert before - 0.001 <= start.pop("time") <= progress.pop("time") <= time.time() + 0.001
    of_all = {"host": "ship1", "check_mode": False}
    assert start == {**of_all, "event": "start"}
    assert progress == {**of_all, "event": "progress", "sent": 30, "bytes": 100, "wasted": 5, "rate": 15}


COUNTS = {"bytes_sent": 7, "bytes_pulled": 0, "bytes_swarm": 0, "bytes_wasted": 1}
DONE = {"changed": True, "to_do": True, "seconds": 1.5, "images": [], **COUNTS}
LOST = {"msg": "ship1: It was not reached: x. y", "problem": "It was not reached: x", "next_step": "y", **COUNTS}


@pytest.mark.parametrize(
    ("is_check", "result", "event"),
    [
        pytest.param(
            False, DONE, {"event": "end", "changed": True, "to_do": False, "seconds": 1.5}, id="nothing is left to do"
        ),
        pytest.param(
            True, DONE, {"event": "end", "changed": True, "to_do": True, "seconds": 1.5}, id="a run would do it"
        ),
        pytest.param(
            True, {**DONE, "changed": False, "to_do": False},
            {"event": "end", "changed": False, "to_do": False, "seconds": 1.5}, id="a host that lacks nothing",
        ),
        pytest.param(
            False, {**LOST, "unreachable": True},
            {"event": "error", "problem": "It was not reached: x", "next_step": "y"}, id="a lost host",
        ),
        pytest.param(
            False, {"failed": True, "msg": "Ansible's own words", **COUNTS},
            {"event": "error", "problem": "Ansible's own words", "next_step": ""}, id="an error that is not ours",
        ),
    ],
)  # fmt: skip
def test_the_end(tmp_path: Path, is_check: bool, result: dict[str, t.Any], event: dict[str, t.Any]) -> None:
    Events(str(tmp_path / "events"), "ship1", is_check).tell_end(result)
    (found,) = told(tmp_path / "events")
    assert found.pop("time") > 0
    assert found == {"host": "ship1", "check_mode": is_check, **event, **COUNTS}


def write(path: str, host: str) -> None:
    events = Events(path, host, is_check=False)
    for number in range(LINES):
        events.tell("error", problem="x" * number * 10, next_step="y" * 900)


def test_many_processes_write_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_text('{"host": "of a run before"}\n')
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=write, args=(str(path), f"ship{number}")) for number in range(HOSTS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    counts = Counter(event["host"] for event in told(path))
    assert counts == {**{f"ship{number}": LINES for number in range(HOSTS)}, "of a run before": 1}


@pytest.mark.parametrize(
    "text", ["two\nlines", "\ud800 alone", "\u2028", "x" * 100_000], ids=["line feed", "surrogate", "U+2028", "long"]
)
def test_any_text_is_one_short_line(tmp_path: Path, text: str) -> None:
    Events(str(tmp_path / "events"), "ship1", is_check=False).tell("error", problem=text)
    (event,) = told(tmp_path / "events")
    assert event["problem"] == text[:1000]
    assert (tmp_path / "events").stat().st_size < 8192


def test_a_full_disk_is_told_once_and_stops_nothing() -> None:
    events = Events("/dev/full", "ship1", is_check=False)
    for _time in range(2):
        events.tell("start")
    assert events.problem == "Not all events were written: No space left on device."


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        Events(str(tmp_path / "nowhere/events"), "ship1", is_check=False)


def test_nobody_asked(tmp_path: Path) -> None:
    Events("", "ship1", is_check=False).tell("start")
    assert list(tmp_path.iterdir()) == []
