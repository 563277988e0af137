# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each step of a preload, and what may break there: one clear error, no half-loaded image under its name, a plain second run that converges."""

from __future__ import annotations

import signal
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support.faults import (
    CONTAINERD_KILLED,
    ENGINE_HANGS,
    ENGINE_KILLED,
    LINK_LOST,
    MODULE_KILLED,
    REBOOTED,
    SSHD_KILLED,
    Fault,
    assert_converges,
    assert_told,
    config_id,
    name_in,
)
from ansible_collections.airlift.registry.tests.integration.support.gate import STEPS, gate
from ansible_collections.airlift.registry.tests.integration.support.lab import Lab, eventually
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Run, task

MB = 1_000_000
SIZE = 24 * MB  # at least, of what is sent, in parts of 8 MiB
SENT = {"send, first part": 0, "send, last part": SIZE}  # the step, by how much has arrived

# A host that is gone is noticed sooner than people would want it, and by a connection of this run.
ALERT = "-o ServerAliveInterval=1 -o ControlPath=none"

slow = pytest.mark.slow


def cases(table: t.Mapping[str, tuple[Fault, t.Collection[str]]], steps: t.Iterable[str]) -> list[t.Any]:
    """Each fault at each step; those of which `make test` shall know less are left to `make test-all`."""
    return [
        pytest.param(step, fault, id=f"{step}: {name}", marks=() if step in quick else slow)
        for name, (fault, quick) in table.items()
        for step in steps
    ]


@pytest.fixture
def alert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_SSH_EXTRA_ARGS", ALERT)


def assert_nothing_half(lab: Lab, host: str, bundle: Path) -> None:
    """The name means the whole image or nothing. An overlay2 engine lists no image of which layers are missing."""
    lab.wait_for_engine(host)
    assert lab.images(host).get(name_in(bundle), config_id(bundle)) == config_id(bundle)


### While the host's half is at work

AT_WORK = {
    "module killed": (MODULE_KILLED, ["ask", "verify", "load, half", "load, unpacking", "tag"]),
    "engine killed": (ENGINE_KILLED, ["load, half", "load, unpacking", "tag"]),
    "engine hangs": (ENGINE_HANGS, ["ask", "load, unpacking"]),
    "containerd killed": (CONTAINERD_KILLED, ["load, half", "clean"]),
    "sshd killed": (SSHD_KILLED, ["load, half"]),
    "host rebooted": (REBOOTED, ["load, half"]),
    "link lost for a moment": (LINK_LOST, ["tag"]),
}


@pytest.mark.usefixtures("alert")
@pytest.mark.parametrize(("step", "fault"), cases(AT_WORK, STEPS))
def test_at_work(
    lab: Lab, ansible: Ansible, host: str, big: Path, big_arguments: dict[str, t.Any], step: str, fault: Fault
) -> None:
    with gate(lab, host, STEPS[step]) as gated:
        seconds = 3 if fault is ENGINE_HANGS else 30
        options = {**big_arguments, "docker_host": gated.address, "docker_timeout": seconds}
        run = ansible.start(host, [task("image_preload", options)])
        gated.arrival()
        fault.strike(lab, host)
        try:
            gated.open()
            result = run.result(host)
        finally:
            fault.mend(lab, host)
    # An engine that has all of the archive may be done with it before it is killed.
    is_done = step == "load, unpacking" and fault is ENGINE_KILLED and not result.get("failed")
    if not is_done:
        assert_told(result, host, fault)
    assert_nothing_half(lab, host, big)
    if fault.problem and fault is not SSHD_KILLED and step not in ("tag", "clean") and not is_done:
        assert name_in(big) not in lab.images(host)
    sent = assert_converges(lab, ansible, host, big_arguments)["bytes_sent"]
    assert (sent > 0) == (step == "ask" and bool(fault.problem))


### While blobs are on their way

ON_THE_WAY = {
    "engine killed": (ENGINE_KILLED._replace(problem=""), []),
    "containerd killed": (CONTAINERD_KILLED, []),
    "sshd killed": (SSHD_KILLED._replace(problem=""), ["send, first part"]),
    "host rebooted": (REBOOTED._replace(surely=False), ["send, last part"]),
    "link lost for a moment": (LINK_LOST, ["send, first part"]),
}


def start(lab: Lab, ansible: Ansible, host: str, arguments: dict[str, t.Any], step: str) -> Run:
    """A run that is at that step."""
    run = ansible.start(host, [task("image_preload", {**arguments, "bandwidth_limit": 12 * MB})])
    eventually(lambda: lab.staged(host) > SENT[step], step)
    return run


@pytest.mark.usefixtures("alert")
@pytest.mark.parametrize(("step", "fault"), cases(ON_THE_WAY, SENT))
def test_on_the_way(
    lab: Lab, ansible: Ansible, host: str, big_arguments: dict[str, t.Any], step: str, fault: Fault
) -> None:
    """The run goes on by itself."""
    run = start(lab, ansible, host, big_arguments, step)
    fault.strike(lab, host)
    assert_told(run.result(host), host, fault)
    again = ansible.preload(host, big_arguments)
    assert (again["changed"], again["bytes_sent"]) == (False, 0)


@pytest.mark.parametrize("step", SENT)
def test_the_controller_is_killed_on_the_way(
    lab: Lab, ansible: Ansible, host: str, big_arguments: dict[str, t.Any], step: str
) -> None:
    run = start(lab, ansible, host, big_arguments, step)
    run.kill()
    assert run.process.returncode == -signal.SIGKILL
    assert lab.images(host) == {}
    # What was on the wire when it died still arrives.
    eventually(lambda: not lab.run(host, "pgrep -x cat", check=False), "the end of the transfer")
    staged = lab.staged(host)
    result = assert_converges(lab, ansible, host, big_arguments)
    assert result["resumed_bytes"] == staged > SENT[step]
    assert result["bytes_sent"] + staged == result["bytes"]["send"] + result["bytes"]["staged"]


@pytest.mark.parametrize("step", ["ask", "load, half", pytest.param("tag", marks=slow)])
def test_the_controller_is_killed_at_work(
    lab: Lab, ansible: Ansible, host: str, big_arguments: dict[str, t.Any], step: str
) -> None:
    """Ansible and all below it: the host notices by itself that nobody listens."""
    with gate(lab, host, STEPS[step]) as gated:
        run = ansible.start(host, [task("image_preload", {**big_arguments, "docker_host": gated.address})])
        gated.arrival()
        run.kill()
        gate_itself = lab.run(host, "cat /run/gate/pid")
        eventually(
            lambda: lab.run(host, "pgrep -x python3", check=False) in ("", gate_itself), "the end of the module", 30
        )
    assert not [name for name in lab.images(host) if not name.startswith("airlift.invalid/")]
    sent = assert_converges(lab, ansible, host, big_arguments)["bytes_sent"]
    assert (sent > 0) == (step == "ask")
