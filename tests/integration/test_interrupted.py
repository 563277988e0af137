# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A preload that is interrupted: no process of it is left, on the host or on the controller, and a plain second run converges."""

from __future__ import annotations

import os
import signal
import socket
import sys
import typing as t
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support.faults import assert_converges
from ansible_collections.airlift.registry.tests.integration.support.gate import STEPS, gate
from ansible_collections.airlift.registry.tests.integration.support.lab import Lab, eventually
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Run, descendants, task

MB = 1_000_000
SEND = "send"
OURS = "cat|dd|sleep|sudo|python3|xdelta3"

Strike = t.Callable[[Run], None]


def ctrl_c(run: Run) -> None:
    """As a terminal does it: to all of the foreground."""
    os.killpg(run.process.pid, signal.SIGINT)


def told_to_end(run: Run) -> None:
    run.process.send_signal(signal.SIGTERM)


def killed(run: Run) -> None:
    """Ansible alone: nobody tells its workers."""
    run.process.kill()


PIPELINED, COPIED = "true", "false"
# What strikes, and how modules come to the host: through the input of Python, or as a file that runs in a terminal of its own.
CASES = [
    (ctrl_c, PIPELINED, [SEND, "load, half", "prove"]),
    (told_to_end, PIPELINED, ["load, half"]),
    (killed, PIPELINED, [SEND, "load, half"]),
    (ctrl_c, COPIED, ["load, half"]),
]
STEP_NAMES = [SEND, *STEPS]
QUICK = [(strike, ways, step) for strike, ways, steps in CASES for step in steps]
ALL = [
    (strike, ways, step)
    for strike in (ctrl_c, told_to_end, killed)
    for ways in (PIPELINED, COPIED)
    for step in STEP_NAMES
]


def at_work(lab: Lab, host: str) -> set[str]:
    return set(lab.run(host, f"pgrep -x '{OURS}'", check=False).split())


@contextmanager
def run_at(
    lab: Lab, ansible: Ansible, host: str, arguments: dict[str, t.Any], step: str, **environment: str
) -> Iterator[Run]:
    """A run that has come to a step, and stays there."""
    if step == SEND:
        run = ansible.start(host, [task("image_preload", {**arguments, "bandwidth_limit": 3 * MB})], **environment)
        eventually(lambda: lab.staged(host) > 0, "the transfer")
        yield run
    else:
        with gate(lab, host, STEPS[step]) as gated:
            options = {**arguments, "docker_host": gated.address}
            run = ansible.start(host, [task("image_preload", options)], **environment)
            gated.arrival()
            yield run


@pytest.mark.parametrize(
    ("strike", "pipelining", "step"),
    [
        pytest.param(
            strike, ways, step, id=f"{strike.__name__}, pipelining {ways}: {step}",
            marks=() if (strike, ways, step) in QUICK else pytest.mark.slow,
        )
        for strike, ways, step in ALL
    ],
)  # fmt: skip
def test_interrupted(
    lab: Lab, ansible: Ansible, host: str, big_arguments: dict[str, t.Any], strike: Strike, pipelining: str, step: str
) -> None:
    # Tests that run in the background have SIGINT ignored, and so would the run.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with run_at(lab, ansible, host, big_arguments, step, ANSIBLE_PIPELINING=pipelining) as run:
        # The gate is one of these, and stays.
        others = {lab.run(host, "cat /run/gate/pid 2>/dev/null", check=False)}
        eventually(lambda: at_work(lab, host) - others, "something that runs on the host")
        workers = descendants(run.process.pid)
        strike(run)
        eventually(lambda: not at_work(lab, host) - others, "the end of all that ran on the host", 30)
        run.process.communicate(timeout=60)
        eventually(lambda: not any(is_running(pid) for pid in workers), "the end of all workers", 30)
    assert run.process.returncode != 0
    # Before the step in which names are given, none is.
    assert (
        step in ("tag", "clean") or [name for name in lab.images(host) if not name.startswith("airlift.invalid/")] == []
    )
    assert_converges(lab, ansible, host, big_arguments)


def is_running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_without_ssh(ansible: Ansible, tiny_arguments: dict[str, t.Any], tmp_path: Path) -> None:
    """With C(connection: local) the module is below the worker: it waits for an engine that never answers."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(path))
        engine.listen()
        options = {**tiny_arguments, "docker_host": f"unix://{path}", "docker_timeout": 600}
        run = ansible.start("localhost", [task("image_preload", options)])
        client, _address = engine.accept()
        pid = peer(client)
        assert Path(sys.executable).resolve() == Path(f"/proc/{pid}/exe").resolve()
        ctrl_c(run)
        eventually(lambda: not is_running(pid), "the end of the module", 30)
        client.close()
        run.process.communicate(timeout=60)


def peer(client: socket.socket) -> int:
    """Who is at the other end of a Unix socket, by unix(7)."""
    return int.from_bytes(client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 4), sys.byteorder)
