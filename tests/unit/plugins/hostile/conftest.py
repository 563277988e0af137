# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all hostile files are measured by."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.unit.plugins.support.judge import SECONDS, Judge, Verdict

MEMORY = 100  # MiB, of a process that reads one file; the interpreter and what it imports is in it


@pytest.fixture(scope="session")
def judge() -> t.Iterator[Judge]:
    found = Judge()
    yield found
    found.close()


def tree(directory: Path) -> dict[str, tuple[int, int, int]]:
    """Everything below a directory, with kind, size and time of its last change."""
    found = {}
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            status = os.lstat(os.path.join(parent, name))
            found[os.path.join(parent, name)] = (status.st_mode, status.st_size, status.st_mtime_ns)
    return found


Refuses = t.Callable[..., Verdict]


@pytest.fixture
def refuses(judge: Judge, tmp_path: Path) -> Refuses:
    """Read a file and see one clear error, nothing touched outside I(inside), and little time and memory spent."""

    def check(kind: str, path: Path, other: Path, problem: str, inside: Path | None = None) -> Verdict:
        def outside() -> dict[str, t.Any]:
            return {
                name: what for name, what in tree(tmp_path).items() if not inside or not name.startswith(str(inside))
            }

        before = outside()
        verdict = judge.judge(kind, str(path), str(other))
        assert verdict.error.endswith("Error")
        assert verdict.next_step, verdict
        assert problem in verdict.problem
        assert len(verdict.problem) < 1000
        assert "\n" not in verdict.problem
        assert verdict.memory <= MEMORY
        assert verdict.seconds < SECONDS
        assert outside() == before
        return verdict

    return check
