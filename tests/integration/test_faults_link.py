# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way to the host, cut."""

from __future__ import annotations

import shutil
import tempfile
import typing as t

from ansible_collections.airlift.registry.tests.integration.support.faults import assert_converges
from ansible_collections.airlift.registry.tests.integration.support.lab import Lab
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, task


def test_the_connection_is_cut_again_and_again(
    lab: Lab, ansible: Ansible, host: str, big_arguments: dict[str, t.Any]
) -> None:
    """The host resets every connection that has carried 3 MB: each part is cut in its middle, and the run gets through."""
    rule = (
        "INPUT -p tcp --dport 22 -m connbytes --connbytes 3000000: --connbytes-dir original --connbytes-mode bytes"
        " -j REJECT --reject-with tcp-reset"
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
        lab.run(host, f"iptables -D {rule}; pkill -x cat", check=False)
        shutil.rmtree(control)
    assert not result.get("failed"), result
    assert cuts >= 6
    assert result["bytes_sent"] == result["bytes"]["send"]
    assert_converges(lab, ansible, host, big_arguments)
