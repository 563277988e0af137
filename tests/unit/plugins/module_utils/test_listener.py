# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module whose output is a pipe, a socket or a terminal, and what becomes of it when the other end is closed."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support.lab import eventually

MODULE = """
import os, subprocess, sys, threading, time
from ansible_collections.airlift.registry.plugins.module_utils import _listener
_listener._GRACE = 0.2
_listener.end_when_nobody_listens()
program = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
try:
    os.write(1, b"%d" % program.pid)
    {work}
except BaseException:
    {order}
    raise
"""
# Where a module waits: for a program that it runs, in a call, for a thread (as for an engine that loads), and for one at its very end.
WORK = {
    "a program": "program.wait()",
    "a call": "time.sleep(600)",
    "a thread": "threading.Thread(target=time.sleep, args=(600,), daemon=True).run()",
    "a thread that goes on": "threading.Thread(target=time.sleep, args=(600,)).start(); time.sleep(600)",
}


def ends(kind: str) -> tuple[int, int]:
    """Ours and the module's."""
    if kind == "socket":
        pair = socket.socketpair()
        return pair[0].detach(), pair[1].detach()
    return pty.openpty() if kind == "terminal" else os.pipe()


def start(code: str, output: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stdin=subprocess.DEVNULL, stdout=output)


class Module:
    """Runs, and has put things in order when the file I(order) is there."""

    def __init__(self, kind: str, work: str, order: Path) -> None:
        self.order = order
        self.end, other = ends(kind)
        code = MODULE.format(work=work, order=f"open({str(order)!r}, 'w').close()")
        self.process = start(code, other)
        os.close(other)
        self.program = int(os.read(self.end, 100))

    def is_running(self) -> bool:
        return Path(f"/proc/{self.program}").exists()


KINDS = ("pipe", "socket", "terminal")


@pytest.mark.parametrize(
    ("kind", "work"), [*((kind, "a call") for kind in KINDS), *(("pipe", work) for work in WORK if work != "a call")]
)
def test_ends_with_its_programs_when_nobody_listens(kind: str, work: str, tmp_path: Path) -> None:
    module = Module(kind, WORK[work], tmp_path / "order")
    assert module.process.poll() is None
    os.close(module.end)
    code = module.process.wait(30)
    assert code in (1, -signal.SIGKILL)
    assert module.order.exists()
    eventually(lambda: not module.is_running(), "the end of the program", 30)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ends_when_it_is_told_to(number: int, tmp_path: Path) -> None:
    module = Module("pipe", WORK["a call"], tmp_path / "order")
    module.process.send_signal(number)
    assert module.process.wait(30) == 1
    assert module.order.exists()
    eventually(lambda: not module.is_running(), "the end of the program", 30)
    os.close(module.end)


@pytest.mark.parametrize("kind", KINDS)
def test_goes_on_when_its_input_ends_or_its_output_is_a_file(kind: str, tmp_path: Path) -> None:
    """sshd closes its half of a socket when all input has come."""
    code = MODULE.format(work="time.sleep(0.3)", order="pass").replace("600", "0")
    ours, its = ends(kind)
    if kind == "socket":
        with socket.socket(fileno=os.dup(ours)) as half:
            half.shutdown(socket.SHUT_WR)
    with open(tmp_path / "file", "wb") as file:
        runs = [start(code, to) for to in (its, file.fileno())]
        assert [run.wait(30) for run in runs] == [0, 0]
    os.close(ours)
    os.close(its)
