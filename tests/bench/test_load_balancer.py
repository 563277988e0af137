# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pulls of 100 MB through HAProxy with TLS, over one registry directly and without TLS, on a link shaped to 1 Gbit/s.

Who pulls is a network namespace of its own behind that link; registries, HAProxy and Garage share the machine, and so its cores.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.bench.support import LAB, contest, run
from ansible_collections.airlift.registry.tests.integration.support.access import ALL, user
from ansible_collections.airlift.registry.tests.integration.support.alone import alone, stored
from ansible_collections.airlift.registry.tests.integration.support.balancer import Balancer, balanced, password_of
from ansible_collections.airlift.registry.tests.integration.support.lab import NAME

SIZE, ROUNDS = 100_000_000, 7
# The best that a link of 1 Gbit/s can do, less what Ethernet, IP and TCP add.
LINK = SIZE * 8 / 1e9
GOALS = {"filesystem": 1.05, "s3": 1.10}
REPOSITORY = "team/app"
ACCESS = {
    "load_balancer_users": [user("tester")],
    "load_balancer_rules": [{"users": ["tester"], "repositories": ["team/*"], "allow": ALL}],
}
CLIENT, OURS, THEIRS = f"{NAME}-puller", "10.98.0.1", "10.98.0.2"


@pytest.fixture(scope="module")
def link() -> t.Iterator[None]:
    """Between this machine and a namespace, shaped in the direction of a pull."""
    run(f"ip netns delete {CLIENT} 2>/dev/null; ip netns add {CLIENT}")
    try:
        run(f"ip link add airlift-pull type veth peer name e0 netns {CLIENT}")
        run(f"ip address add {OURS}/30 dev airlift-pull && ip link set airlift-pull up")
        run(
            f"ip -n {CLIENT} address add {THEIRS}/30 dev e0 && ip -n {CLIENT} link set e0 up && ip -n {CLIENT} link set lo up"
        )
        run("tc qdisc add dev airlift-pull root tbf rate 1gbit burst 512kb latency 50ms")
        yield
    finally:
        subprocess.run(["ip", "netns", "delete", CLIENT], check=False)


@pytest.fixture(scope="module", params=GOALS)
def balancer(
    request: pytest.FixtureRequest, link: None, tmp_path_factory: pytest.TempPathFactory
) -> t.Iterator[Balancer]:
    run(f"{LAB} image registry haproxy")
    directory = tmp_path_factory.mktemp(request.param)
    with stored(request.param, directory) as storage, balanced(directory, "pull", **ACCESS, **storage) as found:
        yield found


@pytest.fixture
def blob(balancer: Balancer) -> str:
    """The path of a blob that no compression makes smaller."""
    content = os.urandom(SIZE)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    begun = balancer.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/", "tester")
    put = balancer.ask("PUT", f"{begun.location}&digest={digest}", "tester", content)
    assert put.status == 201, put
    return f"/v2/{REPOSITORY}/blobs/{digest}"


def pull(url: str, options: str) -> None:
    said = run(
        f"ip netns exec {CLIENT} curl --silent --fail --output /dev/null --write-out '%{{size_download}}' {options} {url}"
    )
    assert said == str(SIZE)


def test_pull_through_the_balancer_over_one_registry(
    balancer: Balancer, blob: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    goal = GOALS[request.node.callspec.params["balancer"]]
    login = tmp_path / "curlrc"
    login.write_text(f"user = tester:{password_of('tester')}\ncacert = {balancer.certificates}/server-ca.crt\n")
    there = f"--config {login} --resolve localhost:{balancer.port}:{OURS}"
    with alone(balancer, OURS) as host:
        times = contest(
            {
                "alone": lambda: pull(f"http://{host}{blob}", ""),
                "HTTP/1.1": lambda: pull(f"https://localhost:{balancer.port}{blob}", f"{there} --http1.1"),
                "HTTP/2": lambda: pull(f"https://localhost:{balancer.port}{blob}", f"{there} --http2"),
            },
            ROUNDS,
        )
    ratios = {name: times[name] / times["alone"] for name in ("HTTP/1.1", "HTTP/2")}
    print(
        f"\n{request.node.callspec.id}: one registry {times['alone']:.2f} s (the link {LINK:.2f} s),"
        f" through the balancer with TLS {', '.join(f'{name} x {ratio:.3f}' for name, ratio in ratios.items())} (goal {goal})"
    )
    assert max(ratios.values()) <= goal
