# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way to the host: cut again and again, gone for good, and used by two at once."""

from __future__ import annotations

import shutil
import tempfile
import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.plugin_utils._push_parts import MOST
from ansible_collections.airlift.registry.tests.integration.support.faults import (
    assert_converges,
    assert_refused,
    reboot,
)
from ansible_collections.airlift.registry.tests.integration.support.gate import STEPS, gate
from ansible_collections.airlift.registry.tests.integration.support.lab import Lab, eventually
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, task

MB = 1_000_000


def own_connection() -> dict[str, str]:
    """One that no earlier run has opened, with other settings."""
    return {"ANSIBLE_SSH_CONTROL_PATH_DIR": tempfile.mkdtemp(prefix="airlift-")}


def test_the_connection_is_cut_again_and_again(
    lab: Lab, ansible: Ansible, host: str, big_arguments: dict[str, t.Any]
) -> None:
    """The host resets connections that have carried 3 MB, by six packets in all: parts are cut in their middle, and the run gets through."""
    rule = (
        "INPUT -p tcp --dport 22 -m connbytes --connbytes 3000000: --connbytes-dir original --connbytes-mode bytes"
        # Only while blobs are sent: of a module that is cut nobody knows what it has done.
        " -m limit --limit 1/hour --limit-burst 6 -j REJECT --reject-with tcp-reset"
    )
    lab.run(host, f"iptables -I {rule}")
    # What a connection has carried is counted only since the rule is there, so it must be a new one.
    control = tempfile.mkdtemp(prefix="airlift-")
    try:
        result = ansible.start(
            host, [task("image_preload", big_arguments)], ANSIBLE_SSH_CONTROL_PATH_DIR=control
        ).result(host)
        cuts = int(lab.run(host, "iptables -nvxL INPUT | awk '/connbytes/ {print $1}'"))
    finally:
        # The host was not told, so its ends of these connections would wait for long.
        lab.run(host, f"iptables -D {rule}; pkill -f '[L]C_ALL=C; export'; pkill -x cat", check=False)
        shutil.rmtree(control)
    assert not result.get("failed"), result
    assert cuts == 6
    assert result["bytes_sent"] == result["bytes"]["send"]
    # At most the rest of the two parts that were under way.
    assert 0 < result["bytes_wasted"] < cuts * 2 * MOST
    assert_converges(lab, ansible, host, big_arguments)


@pytest.mark.parametrize("behind", [-1, 10 * MB], ids=["at the same time", "one half-way"])
def test_two_preloads_at_once(
    lab: Lab, ansible: Ansible, host: str, big_arguments: dict[str, t.Any], behind: int
) -> None:
    """Both append to the same blobs, one loads them, and the other finds that done."""
    once = [task("image_preload", {**big_arguments, "bandwidth_limit": 12 * MB})]
    first = ansible.start(host, once)
    eventually(lambda: lab.staged(host) > behind, "the transfer")
    second = ansible.start(host, once)
    for run in (first, second):
        result = run.result(host)
        assert not result.get("failed"), result["msg"]
    again = ansible.preload(host, big_arguments)
    assert (again["changed"], lab.look(host).staging) == (False, ())


@pytest.mark.slow
def test_the_link_is_gone_for_good(lab: Lab, ansible: Ansible, host: str, big_arguments: dict[str, t.Any]) -> None:
    """Nobody says good-bye; the run ends all the same."""
    rule = "INPUT -p tcp --dport 22 -j DROP"
    run = ansible.start(host, [task("image_preload", {**big_arguments, "bandwidth_limit": 3 * MB})], **own_connection())
    eventually(lambda: lab.staged(host) > 2 * MB, "the transfer")
    lab.run(host, f"iptables -I {rule}")
    try:
        result = run.result(host, 400)
    finally:
        lab.run(host, f"iptables -D {rule}")
    assert_refused(result, host, "got no more bytes in 5 attempts", "Check the connection")
    # What arrived of the part that was under way nobody could ask.
    assert result["bytes_sent"] + result["bytes_wasted"] > 2 * MB
    assert assert_converges(lab, ansible, host, big_arguments)["resumed_bytes"] > 2 * MB


@pytest.mark.slow
def test_a_host_that_is_gone_is_noticed_while_it_loads(
    lab: Lab, ansible: Ansible, host: str, big_arguments: dict[str, t.Any]
) -> None:
    """As people have it, without a setting for ssh: the host is waited for, nothing is sent, and it lost its power."""
    with gate(lab, host, STEPS["load, half"]) as gated:
        arguments = {**big_arguments, "docker_host": gated.address}
        run = ansible.start(host, [task("image_preload", arguments)], **own_connection())
        gated.arrival()
        reboot(lab, host)
        result = run.result(host)
    assert (result["unreachable"], "ansible -m ping" in result["next_step"]) == (True, True)
    lab.wait_for_engine(host)
    assert assert_converges(lab, ansible, host, big_arguments)["bytes_sent"] == 0
