# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests per second with rights per repository, 500 users and 200 rules, over the same balancer without any of it.

Two HAProxy run side by side before one registry. The one without is configured by the same file less what knows of logins.
"""

from __future__ import annotations

import dataclasses
import re
import subprocess
import typing as t

import pytest

from ansible_collections.airlift.registry.tests.bench import pipeline
from ansible_collections.airlift.registry.tests.bench.support import LAB, contest, run
from ansible_collections.airlift.registry.tests.integration.support.access import index
from ansible_collections.airlift.registry.tests.integration.support.balancer import (
    IMAGES,
    Balancer,
    balanced,
    basic,
    password_of,
)
from ansible_collections.airlift.registry.tests.integration.support.lab import eventually, free_port

REQUESTS, USERS, RULES, ROUNDS = 8000, 500, 200, 5
GOAL = 0.5


@pytest.fixture(scope="module")
def balancer(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Balancer]:
    run(f"{LAB} image registry haproxy")
    users = [
        {"name": f"u{number}", "password": password_of(f"u{number}"), "groups": [f"g{number % RULES}"]}
        for number in range(USERS)
    ]
    rules = [
        {"groups": [f"g{number}"], "repositories": [f"team-{number}/**", f"shared/{number}"], "allow": ["pull", "push", "list"]}
        for number in range(RULES)
    ]  # fmt: skip
    rounds = {"load_balancer_hash_rounds": 1000}
    with balanced(
        tmp_path_factory.mktemp("bench"), "bench", load_balancer_users=users, load_balancer_rules=rules, **rounds
    ) as found:
        index(found, "team-199/app", "u199")
        yield found


@pytest.fixture(scope="module")
def without(balancer: Balancer) -> t.Iterator[Balancer]:
    """The same without logins."""
    place = balancer.directory / "open"
    place.mkdir()
    found = dataclasses.replace(
        balancer, port=free_port(), health_port=free_port(), container=f"{balancer.container}-open"
    )
    (place / "haproxy.cfg").write_text(_without_logins(balancer, found))
    mounts = f"--volume {balancer.directory}:{balancer.directory}:ro --volume {place}:/run/airlift-load-balancer"
    start = f"docker run --detach --name {found.container} --network host --user 0:0 {mounts} --entrypoint haproxy {IMAGES['haproxy']}"
    try:
        run(f"{start} -W -db -f {place}/haproxy.cfg")
        eventually(lambda: found.health("registries/localhost") == "up", "the balancer without logins")
        yield found
    finally:
        subprocess.run(["docker", "rm", "--force", found.container], check=False, capture_output=True)


def _without_logins(balancer: Balancer, other: Balancer) -> str:
    text = (balancer.directory / "balancer/haproxy.cfg").read_text()
    text = re.sub(r"  # Who it is\..*?  http-request del-header Authorization\n", "", text, flags=re.DOTALL)
    return text.replace(f":{balancer.port} ", f":{other.port} ").replace(
        f":{balancer.health_port}", f":{other.health_port}"
    )


@pytest.mark.parametrize("path", ["/v2/", "/v2/team-199/app/tags/list"])
def test_rights_against_none(balancer: Balancer, without: Balancer, path: str) -> None:
    login = f"Authorization: {basic('u199')}\r\n"
    times = contest(
        {
            "none": lambda: pipeline.ask(without.connect, path, "", REQUESTS),
            "rights": lambda: pipeline.ask(balancer.connect, path, login, REQUESTS),
        },
        ROUNDS,
    )
    ratio = times["none"] / times["rights"]
    print(
        f"\n{path}: {REQUESTS / times['none']:.0f} requests/s with none,"
        f" {REQUESTS / times['rights']:.0f} with {USERS} users and {RULES} rules: x {ratio:.2f} (goal {GOAL})"
    )
    assert ratio >= GOAL
