# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks, places on disk, and which process is the engine that the lab started."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab.cli import main, parser
from lab.engine import Engine, Started, _born, _is_alive
from lab.errors import LabError
from lab.lock import locked, locked_or_none
from lab.paths import cache_root, state_root
from lab.shell import attempt, run, run_logged


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"AIRLIFT_CACHE": "/c", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/c/airlift-registry"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/airlift-registry"),
        ({"XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/airlift-registry"),
    ],
)
def test_cache_place(environment: dict[str, str], expected: str) -> None:
    assert cache_root(environment) == Path(expected)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"AIRLIFT_LAB_STATE": "/s", "XDG_STATE_HOME": "/x"}, "/s/airlift-lab"),
        ({"HOME": "/h"}, "/h/.local/state/airlift-lab"),
    ],
)
def test_state_place(environment: dict[str, str], expected: str) -> None:
    assert state_root(environment) == Path(expected)


def test_lock_keeps_others_out_until_it_is_given_back(tmp_path: Path) -> None:
    lock = tmp_path / "new" / "a.lock"
    with locked(lock), locked_or_none(lock) as held:
        assert not held
    with locked_or_none(lock) as held:
        assert held


def test_shared_lock_lets_others_share_but_not_own(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    with locked(lock, shared=True), locked(lock, shared=True), locked_or_none(lock) as held:
        assert not held


def test_lock_on_a_removed_file_is_not_taken_for_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    with locked(lock):
        lock.unlink()
        with locked_or_none(lock) as held:
            assert held, "the new file is another lock"


def test_process_is_known_by_number_and_birth() -> None:
    own = Started("lab", os.getpid(), _born(os.getpid()))
    assert _is_alive(own)
    assert not _is_alive(Started("lab", own.pid, own.born + 1)), "the number was given to another process"


def test_dead_process_is_dead_before_it_is_reaped() -> None:
    child = subprocess.Popen(["sleep", "60"])
    started = Started("lab", child.pid, _born(child.pid))
    assert _is_alive(started)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not _is_alive(started)
    child.wait()


def test_engine_that_the_lab_did_not_start_is_not_stopped(tmp_path: Path) -> None:
    assert not Engine(tmp_path).stop_if_ours()


def test_engine_in_use_by_another_run_is_not_stopped(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    child = subprocess.Popen(["sleep", "60"])
    engine.note.write_text(f'{{"by": "lab", "pid": {child.pid}, "born": {_born(child.pid)}}}')
    with locked(engine.use_lock, shared=True):
        assert not engine.stop_if_ours()
    assert child.poll() is None
    child.kill()
    child.wait()


def test_failure_says_command_and_output() -> None:
    with pytest.raises(LabError, match=r"`sh -c echo no disk >&2; exit 3` failed with code 3: no disk"):
        run("sh", "-c", "echo no disk >&2; exit 3")


def test_missing_program_is_a_result() -> None:
    assert attempt("no-such-program-here").returncode == 127


def test_logged_failure_shows_the_end_of_the_log(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"the-last-line"):
        run_logged("sh", "-c", "seq 100; echo the-last-line; exit 1", log=tmp_path / "log")


def test_command_line_errors_are_sentences(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "demo", "--spec", str(tmp_path / "none.json")]) == 1
    assert "none.json cannot be read" in capfd.readouterr().err


@pytest.mark.parametrize("arguments", [["down"], ["down", "demo", "--all"], ["up", "demo"], ["image"]])
def test_command_lines_that_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(arguments)
