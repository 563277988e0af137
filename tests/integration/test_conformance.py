# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The OCI conformance suite finds the same, row by row, through a balancer with three registries behind it as of one registry that is asked directly."""

from __future__ import annotations

import csv
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support import lab as labs
from ansible_collections.airlift.registry.tests.integration.support.access import ALL, user
from ansible_collections.airlift.registry.tests.integration.support.alone import alone, stored
from ansible_collections.airlift.registry.tests.integration.support.balancer import Balancer, balanced, password_of
from ansible_collections.airlift.registry.tests.integration.support.conformance import Rows, conformance

# Two runs of the suite and four registries for each storage: two minutes.
pytestmark = pytest.mark.slow

REGISTRIES = 3
# Of 690 rows; Distribution fails those about what it does not have: referrers, uploads by SHA-512, layers that are not distributed.
PASSED = 550
ACCESS = {
    "load_balancer_users": [user("tester")],
    "load_balancer_rules": [{"users": ["tester"], "repositories": ["conformance/*"], "allow": ALL}],
}


@pytest.fixture(scope="module")
def program() -> Path:
    labs.lab("image", "registry", "haproxy")
    return Path(labs.lab("tool", "conformance").split(" ", 1)[1].strip())


@pytest.fixture(scope="module", params=["filesystem", "s3"])
def balancer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Balancer]:
    directory = tmp_path_factory.mktemp(request.param)
    with (
        stored(request.param, directory) as storage,
        balanced(directory, "conformance", REGISTRIES, **ACCESS, **storage) as found,
    ):
        yield found


@pytest.fixture
def expected(balancer: Balancer, program: Path, tmp_path: Path) -> Rows:
    """What the suite finds of one registry."""
    with alone(balancer, apart=True) as host:
        return conformance(program, tmp_path / "alone", registry=host, tls="disabled")


def test_every_row_is_the_same(balancer: Balancer, program: Path, expected: Rows, tmp_path: Path) -> None:
    trusted = str(balancer.certificates / "server-ca.crt")
    login = {"username": "tester", "password": password_of("tester")}
    found = conformance(program, tmp_path / "balanced", trusted, registry=f"localhost:{balancer.port}", **login)
    assert (found - expected, expected - found) == ({}, {})
    assert sum(count for (_name, result), count in expected.items() if result == "passed") > PASSED
    assert min(asked(balancer)) > 0


def asked(balancer: Balancer) -> list[int]:
    """How many requests each registry has had to read something, as HAProxy counts them."""
    rows = csv.DictReader(balancer.command("show stat").removeprefix("# ").splitlines())
    names = {node["name"] for node in balancer.variables["load_balancer_nodes"]}
    return [int(row["stot"]) for row in rows if row["pxname"] == "registries_read" and row["svname"] in names]
