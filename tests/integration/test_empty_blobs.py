# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A blob of no bytes before a storage that can keep none: the balancer says so, and lets everything else through."""

from __future__ import annotations

import typing as t
from urllib.parse import quote

import pytest

from ansible_collections.airlift.registry.tests.integration.support import lab as labs
from ansible_collections.airlift.registry.tests.integration.support.balancer import Balancer, balanced, password_of
from ansible_collections.airlift.registry.tests.unit.plugins.support.images import sha256

EMPTY = f"sha256:{sha256(b'')}"
UPLOADS = "/v2/team/app/blobs/uploads/"


@pytest.fixture(scope="module")
def balancer(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Balancer]:
    labs.lab("image", "registry", "haproxy")
    users = [{"name": name, "password": password_of(name)} for name in ("writer", "reader")]
    rules = [
        {"users": ["writer"], "repositories": ["team/*"], "allow": ["pull", "push"]},
        {"users": ["reader"], "repositories": ["team/*"], "allow": ["pull"]},
    ]
    access = {"load_balancer_users": users, "load_balancer_rules": rules}
    with balanced(tmp_path_factory.mktemp("empty"), "empty", **access, load_balancer_empty_blobs=False) as found:
        yield found


@pytest.mark.parametrize("digest", [EMPTY, quote(EMPTY, safe="")], ids=["plain", "encoded"])
def test_is_refused_with_the_reason(balancer: Balancer, digest: str) -> None:
    location = balancer.ask("POST", UPLOADS, "writer").location
    answer = balancer.ask("PUT", f"{location}&digest={digest}", "writer")
    assert (answer.status, b"keeps no blob of no bytes" in answer.body) == (400, True), answer


def test_any_other_blob_is_taken(balancer: Balancer) -> None:
    location = balancer.ask("POST", UPLOADS, "writer").location
    assert balancer.ask("PUT", f"{location}&digest=sha256:{sha256(b'blob')}", "writer", b"blob").status == 201


def test_the_reason_is_not_for_who_may_not_push(balancer: Balancer) -> None:
    assert balancer.ask("PUT", f"{UPLOADS}upload?digest={EMPTY}", "reader").status == 403
