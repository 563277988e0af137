# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide to access control: its users and rules at a real balancer, and its commands word for word; only the registry's address is another."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.airlift.registry.tests.integration.support import documents
from ansible_collections.airlift.registry.tests.integration.support import lab as labs
from ansible_collections.airlift.registry.tests.integration.support.access import index
from ansible_collections.airlift.registry.tests.integration.support.balancer import Balancer, balanced, password_of
from ansible_collections.airlift.registry.tests.integration.support.lab import ROOT

GUIDE = (ROOT / "docs/guides/access-control.md").read_text()
CRYPT, AS_ALICE, AS_NOBODY = documents.commands(GUIDE)
INVENTORY, TOKEN_SERVER = documents.blocks(GUIDE, "yaml")
UPLOAD = "/v2/{}/blobs/uploads/"
TAGS = "/v2/{}/tags/list"
MANIFEST = "/v2/{}/manifests/v1"
# Who, what, where, and how the guide's rules have it answered. Of what is allowed, there is nothing to be found in most repositories.
ANSWERS = [
    ("ci", "POST", UPLOAD, "team-a/app", 202),
    ("ci", "POST", UPLOAD, "team-a/deep/er", 202),
    ("ci", "POST", UPLOAD, "team-b/app", 403),
    ("ci", "DELETE", MANIFEST, "team-a/app", 403),
    ("alice", "GET", TAGS, "team-b/app", 404),
    ("alice", "GET", MANIFEST, "team-b/app", 403),
    ("fleet", "GET", MANIFEST, "team-a/app", 200),
    ("fleet", "GET", MANIFEST, "team-a/app/debug", 403),
    ("fleet", "GET", MANIFEST, "base/debian/12", 404),
    ("fleet", "GET", TAGS, "team-a/app", 403),
    ("contractor", "GET", MANIFEST, "team-a/app", 200),
    ("contractor", "GET", MANIFEST, "team-a/other", 403),
    ("", "GET", MANIFEST, "public/app", 200),
    ("", "GET", MANIFEST, "team-a/app", 401),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the reader stands."""
    return tmp_path_factory.mktemp("guide")


@pytest.fixture(scope="module")
def balancer(place: Path) -> t.Iterator[Balancer]:
    """With the guide's users and rules, a publisher beside them, and the certificates of a deployment beside the inventory."""
    labs.lab("image", "registry", "haproxy")
    (place / "new-password").write_text(f"{password_of('alice')}\n")
    secrets = {f"vault_{name}_password": password_of(name) for name in ("ci", "fleet", "contractor")}
    secrets["vault_alice_hash"] = documents.run(CRYPT, place).strip()
    said = yaml.safe_load(INVENTORY)
    publisher = {"name": "publisher", "password": password_of("publisher")}
    users = [*said["registry_users"], publisher]
    rules = [*said["registry_rules"], {"users": ["publisher"], "repositories": ["**"], "allow": ["push"]}]
    variables = json.loads(json.dumps({"load_balancer_users": users, "load_balancer_rules": rules}, default=str))
    with balanced(place, "guide", **variables, **secrets) as found:
        (place / "airlift-certificates").symlink_to(found.certificates)
        for repository in ("team-a/app", "public/app"):
            index(found, repository, "publisher")
        yield found


@pytest.mark.parametrize(("name", "method", "route", "repository", "status"), ANSWERS)
def test_rules(balancer: Balancer, name: str, method: str, route: str, repository: str, status: int) -> None:
    assert balancer.ask(method, route.format(repository), name).status == status


def test_commands(balancer: Balancer, place: Path) -> None:
    netrc = place / "netrc"
    netrc.touch(0o600)
    netrc.write_text(f"machine localhost login alice password {password_of('alice')}\n")
    for command, repository in ((AS_ALICE, "team-a/app"), (AS_NOBODY, "public/app")):
        answer = documents.run(command.replace("registry.example.com", f"localhost:{balancer.port}"), place)
        assert json.loads(answer) == {"name": repository, "tags": ["v1"]}
