# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A thin link that is cut, near the beginning, half-way and near the end, and comes back after the host's end of the connection is gone."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.bench.support import link_to, run
from ansible_collections.airlift.registry.tests.integration.support.faults import assert_converges, trusting
from ansible_collections.airlift.registry.tests.integration.support.lab import STAGING, Lab
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, task
from ansible_collections.airlift.registry.tests.integration.test_faults_link import own_connection
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

NAME = "docker.io/library/thin:v1"
# Random, so that gzip cannot make it smaller. What ssh sends at once is a hundredth of it.
LAYER = images.tar([images.Member("data", os.urandom(3_300_000))])
# Runs on the host, which sees its staging at once: takes the link away, ends all sessions of ssh while nobody hears of it, and gives the link back.
CUT = """
until [ "$(cat {staging}/* 2>/dev/null | wc -c)" -ge {at} ]; do :; done
ip link set eth0 down
cat {staging}/* | wc -c > /run/cut
main=$(systemctl show --property MainPID --value ssh)
for session in $(pgrep -x 'sshd|sshd-session'); do [ $session = $main ] || kill $session; done
sleep 2
ip link set eth0 up
"""


@pytest.fixture(scope="module")
def arguments(directory: Path, signer: Signer) -> dict[str, t.Any]:
    """Options of image_preload for a bundle of one layer."""
    bundles.make_bundle(directory / "thin", signer, {NAME: [LAYER]})
    return trusting(signer, directory / "thin")


@pytest.fixture
def shape(lab: Lab, host: str) -> t.Iterator[t.Callable[[int], None]]:
    """Make the link to the host as thin as so many Mbit/s."""
    link = link_to(lab.name, host)
    yield lambda rate: t.cast(None, run(f"tc qdisc add dev {link} root tbf rate {rate}mbit burst 16kb latency 200ms"))
    run(f"tc qdisc del dev {link} root")
    lab.run(host, "rm -f /run/cut; ip link set eth0 up")


@pytest.mark.parametrize(
    ("percent", "rate"),
    [
        # Half a minute and more, each.
        pytest.param(1, 4, id="at 1 percent of 4 Mbit per second", marks=pytest.mark.slow),
        pytest.param(50, 1, id="half-way at 1 Mbit per second", marks=pytest.mark.slow),
        pytest.param(99, 1, id="at 99 percent of 1 Mbit per second", marks=pytest.mark.slow),
        pytest.param(50, 4, id="half-way at 4 Mbit per second"),
    ],
)
def test_the_link_is_cut_and_comes_back(
    lab: Lab,
    ansible: Ansible,
    host: str,
    arguments: dict[str, t.Any],
    shape: t.Callable[[int], None],
    percent: int,
    rate: int,
) -> None:
    at = len(LAYER) * percent // 100
    watcher = lab.start(host, CUT.format(staging=STAGING, at=at))
    shape(rate)
    result = ansible.start(host, [task("image_preload", arguments)], **own_connection()).result(host, 300)
    assert watcher.wait(60) == 0
    cut = int(lab.run(host, "cat /run/cut"))
    assert at <= cut
    # Near the end all may have arrived before the link was gone: then nothing was sent in vain, and a link that is gone while the host verifies and loads
    # ends the run, as docs/faults.md says.
    is_near = percent == 99
    assert not result.get("failed"), result
    assert is_near or not result.get("unreachable"), result
    # No byte that had arrived was sent again, and what had not is told, from above.
    assert result["bytes_sent"] == result["bytes"]["send"]
    assert (0 if is_near else 1) <= result["bytes_wasted"] <= result["bytes_sent"]
    assert_converges(lab, ansible, host, arguments)
