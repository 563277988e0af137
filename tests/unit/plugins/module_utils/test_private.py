# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where plain bytes lie for a while: for nobody else, shared by those of one run, and gone after a kill as soon as anybody runs again."""

from __future__ import annotations

import os
import signal
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.airlift.registry.plugins.module_utils._private import PrivateDirectory


@contextmanager
def another_process(temporary: Path) -> t.Iterator[int]:
    """A process that has something in a private directory and does not end; its ID."""
    here, there = os.pipe()
    pid = os.fork()
    if pid == 0:
        # Kept, because it is in use as long as it lives.
        kept = PrivateDirectory(str(temporary))
        (Path(kept.path) / "plain").write_text("secret")
        os.write(there, b"!")
        time.sleep(60)
        os._exit(0)
    os.read(here, 1)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(here)
        os.close(there)


def plain(temporary: Path) -> bool:
    return any(path.name == "plain" for path in temporary.rglob("*"))


def test_is_for_nobody_else(tmp_path: Path) -> None:
    private = PrivateDirectory(str(tmp_path / "run"))
    assert os.stat(private.path).st_mode & 0o777 == 0o700
    assert Path(private.path).parent == tmp_path / "run"


def test_what_a_killed_run_left_goes_with_the_next(tmp_path: Path) -> None:
    with another_process(tmp_path / "killed"):
        pass
    assert plain(tmp_path / "killed")
    PrivateDirectory(str(tmp_path / "next"))
    assert not plain(tmp_path / "killed")


def test_what_is_in_use_stays(tmp_path: Path) -> None:
    with another_process(tmp_path / "running"):
        PrivateDirectory(str(tmp_path / "next"))
        assert plain(tmp_path / "running")


def test_those_of_one_run_share_it(tmp_path: Path) -> None:
    """Also after one that was killed: what it made is still whole, for it got its name at the end."""
    with another_process(tmp_path / "run"):
        second = PrivateDirectory(str(tmp_path / "run"))
        assert plain(Path(second.path))
    third = PrivateDirectory(str(tmp_path / "run"))
    assert plain(Path(third.path))


def test_nothing_else_in_the_directories_of_ansible_is_touched(tmp_path: Path) -> None:
    other = tmp_path / "somebody" / "lock"
    other.parent.mkdir()
    other.write_text("")
    PrivateDirectory(str(tmp_path / "run"))
    assert other.exists()
