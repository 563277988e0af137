# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A gate before an engine's socket, to be at one step of a preload when something happens to it."""

from __future__ import annotations

import shlex
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.airlift.registry.tests.integration.support.lab import Lab, eventually

_DIRECTORY = "/run/gate"
_PROGRAM = Path(__file__).with_name("gate_on_host.py")


class Step(t.NamedTuple):
    """A step by a request to the engine, which one of those it is, and how many bytes of it have passed (-1: all)."""

    request: str
    number: int = 1
    after: int = 0


LOAD = Step("POST .*/images/load")
# In their order. The host's half asks twice what the engine is: for the plan, and before it verifies and loads.
STEPS = {
    "ask": Step("GET .*/images/json"),
    "verify": Step("GET .*/info", 2),
    "load, begun": LOAD,
    "load, half": LOAD._replace(after=12_000_000),
    "load, unpacking": LOAD._replace(after=-1),
    "prove": Step("GET .*/images/airlift.invalid/.*/json"),
    "tag": Step("POST .*/images/.*/tag"),
    "clean": Step("DELETE .*/images/airlift.invalid"),
}


@dataclass(frozen=True)
class Gate:
    """A gate on a host: the request of its step is held until it is opened."""

    lab: Lab
    host: str

    @property
    def address(self) -> str:
        return f"unix://{_DIRECTORY}/docker.sock"

    def arrival(self) -> None:
        """Wait until the request of the step is there."""
        eventually(lambda: self.lab.run(self.host, f"ls {_DIRECTORY}/arrived 2>/dev/null", check=False), "the step")

    def open(self) -> None:
        """Let the request go on, if there still is one."""
        self.lab.run(self.host, f"touch {_DIRECTORY}/go", check=False)


@contextmanager
def gate(lab: Lab, host: str, step: Step, socket: str = "/run/docker.sock", command: str = "") -> t.Iterator[Gate]:
    """A gate before the engine at I(socket), that runs I(command) when the step has come."""
    lab.run(host, f"rm -rf {_DIRECTORY} && mkdir {_DIRECTORY}")
    lab.copy(host, str(_PROGRAM), f"{_DIRECTORY}/gate.py")
    arguments = [_DIRECTORY, socket, step.request, str(step.number), str(step.after), command]
    lab.run(
        host, f"python3 {_DIRECTORY}/gate.py {shlex.join(arguments)} >{_DIRECTORY}/log 2>&1 & echo $! >{_DIRECTORY}/pid"
    )
    eventually(lambda: lab.run(host, f"ls {_DIRECTORY}/docker.sock 2>/dev/null", check=False), "the gate")
    try:
        yield Gate(lab, host)
    finally:
        # After a reboot there is none.
        lab.run(host, f"kill -KILL $(cat {_DIRECTORY}/pid); rm -rf {_DIRECTORY}", check=False)
