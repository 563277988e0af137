# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The link of a host is cut while its engine pulls, near the beginning, half-way and near the end, and comes back.

An engine outlasts a short cut. After a long one, with nothing new for docker_timeout seconds, the image is sent instead, in the same run.
"""

from __future__ import annotations

import os
import typing as t
import uuid
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.bench.support import link_to, run
from ansible_collections.airlift.registry.tests.integration.support.engines import ENGINES, Engines
from ansible_collections.airlift.registry.tests.integration.support.faults import trusting
from ansible_collections.airlift.registry.tests.integration.support.play import task
from ansible_collections.airlift.registry.tests.integration.support.registries import Registry, distribution
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

# One for each kind of image store that counts what comes.
HOSTS = [ENGINES[name].host for name in ("docker-26.1", "docker-29")]
RATE = 8  # Mbit/s
SIZE = 3_300_000  # containerd tells of each whole MiB only, and half of this has one
SHORT = "sleep 2"
# Until the module has given up. Nothing else on a host is Python's.
LONG = "while pgrep -x python3 >/dev/null; do sleep 0.2; done"
PATIENCE = {SHORT: 60, LONG: 8}  # seconds: docker_timeout
# Runs on the host: takes the link away when so many bytes have come from the registry, and gives it back.
CUT = """
rule="INPUT --source {registry} --jump ACCEPT"
iptables --insert $rule
came() {{ iptables --list INPUT 1 --verbose --exact --numeric | awk '{{ print $2 }}'; }}
until [ "$(came)" -ge {at} ]; do :; done
ip link set eth0 down
{cut}
ip link set eth0 up
iptables --delete $rule
"""


@pytest.fixture(scope="module")
def registry(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Registry]:
    """One that the hosts reach over their links, which are thin, and trust."""
    links = {host: link_to(engines.lab.name, host) for host in HOSTS}
    with distribution(tmp_path_factory.mktemp("registry"), "cut", engines.lab.name) as registry:
        place = f"/etc/docker/certs.d/{registry.host}"
        for host, link in links.items():
            engines.lab.run(host, f"mkdir -p {place}")
            engines.lab.copy(host, str(registry.ca), f"{place}/ca.crt")
            run(f"tc qdisc add dev {link} root tbf rate {RATE}mbit burst 16kb latency 50ms")
        yield registry
        for host, link in links.items():
            run(f"tc qdisc del dev {link} root")
            engines.lab.run(host, f"rm -r {place}")


CUTS = [
    # Half a minute on a quiet machine, each.
    pytest.param(1, SHORT, id="for moments at 1 percent", marks=pytest.mark.slow),
    pytest.param(50, SHORT, id="for moments half-way", marks=pytest.mark.slow),
    pytest.param(99, SHORT, id="for moments at 99 percent", marks=pytest.mark.slow),
    pytest.param(1, LONG, id="for long at 1 percent", marks=pytest.mark.slow),
    pytest.param(50, LONG, id="for long half-way"),
    pytest.param(99, LONG, id="for long at 99 percent", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("percent", "cut"), CUTS)
def test_the_link_is_cut_and_comes_back(
    engines: Engines, registry: Registry, signer: Signer, tmp_path: Path, percent: int, cut: str
) -> None:
    name, at = f"docker.io/library/cut:{uuid.uuid4().hex}", SIZE * percent // 100
    bundles.make_bundle(tmp_path / "bundle", signer, {name: [images.tar([images.Member("data", os.urandom(SIZE))])]})
    ansible, of_bundle = engines.ansible(tmp_path), trusting(signer, tmp_path / "bundle")
    ansible.local("registry_publish", {**of_bundle, "registry": registry.host, "ca_path": str(registry.ca)})
    script = CUT.format(registry=registry.host.partition(":")[0], at=at, cut=cut)
    watchers = [engines.lab.start(host, script) for host in HOSTS]
    arguments = {**of_bundle, "registry": registry.host, "transport": "registry", "docker_timeout": PATIENCE[cut]}
    first, again = ansible.play(":".join(HOSTS), [task("image_preload", arguments)] * 2)
    assert [watcher.wait(60) for watcher in watchers] == [0, 0]
    for host in HOSTS:
        result = first[host]
        (image,) = result["images"]
        size = image["layers"][0]["size"]
        came = image["transport"] == "registry"
        assert result["changed"], result
        # Near the end all may have come before the link was gone.
        assert came is (cut == SHORT) or percent == 99, result
        assert (result["bytes_pulled"], result["bytes_sent"]) == ((size, 0) if came else (result["bytes_wasted"], size))
        # Of very little an engine tells nothing.
        least = 0 if came or percent == 1 else at // 2
        assert least <= result["bytes_wasted"] <= (0 if came else size), (host, result)
        assert bool(result.get("warnings")) is not came
        assert (again[host]["changed"], again[host]["bytes_sent"], again[host]["bytes_pulled"]) == (False, 0, 0)
