# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task on the controller: lists however they were written, paths from where the operator stands, and the signals that its process gets."""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.plugin_utils._controller import as_list, on_controller


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, []), ("", []), ("a", ["a"]), ("a,b", ["a", "b"]), (["a", "b"], ["a", "b"]), (("a",), ["a"])],
)
def test_a_list_as_ansible_takes_it(value: t.Any, expected: list[str]) -> None:
    assert as_list(value) == expected


def test_a_path_is_meant_from_where_the_operator_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ops")
    monkeypatch.setenv("STICK", "/media/stick")
    paths = ["a.tar", "/a.tar", "~/a.tar", "$STICK/a.tar"]
    assert [on_controller(path) for path in paths] == [
        f"{tmp_path}/a.tar", "/a.tar", "/home/ops/a.tar", "/media/stick/a.tar"
    ]  # fmt: skip


# A task's time limit, as Ansible keeps it; then a signal that ends a process, which is heard twice: as it came, and as it was passed on.
WORKER = """
import os, signal, time
from ansible_collections.airlift.registry.plugins.plugin_utils._controller import end_with_ansible

def limit(number, frame):
    raise TimeoutError

def end(number, frame):
    heard.append(number)
    if len(heard) == 2:
        os._exit(0)

heard = []
signal.signal(signal.SIGALRM, limit)
signal.signal(signal.SIGTERM, end)
end_with_ansible()
try:
    os.kill(os.getpid(), signal.SIGALRM)
    time.sleep(30)
except TimeoutError:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(30)
raise SystemExit("nothing was passed on")
"""


def test_what_ends_a_worker_is_passed_on_and_a_time_limit_is_not() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    worker = subprocess.run(
        [sys.executable, "-c", WORKER], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (worker.returncode, worker.stderr) == (0, "")
