# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site whose own server gives out tokens: the balancer passes them, and lets nothing else through than before."""

from __future__ import annotations

import hashlib
import typing as t

import pytest

from ansible_collections.airlift.registry.tests.integration.support import lab as labs
from ansible_collections.airlift.registry.tests.integration.support.access_cases import FORM
from ansible_collections.airlift.registry.tests.integration.support.balancer import Answer, Balancer, balanced, basic
from ansible_collections.airlift.registry.tests.integration.support.tokens import ISSUER, SERVICE, Server

REALM = f"https://{ISSUER}/token"
BOTH = ("pull", "push")
BLOB = b"what only team b may read"
DIGEST = f"sha256:{hashlib.sha256(BLOB).hexdigest()}"
THEIRS = f"/v2/team-b/app/blobs/{DIGEST}"
MOUNT = f"mount={DIGEST}&from=team-b/app"


@pytest.fixture(scope="module")
def server() -> Server:
    return Server()


@pytest.fixture(scope="module")
def balancer(tmp_path_factory: pytest.TempPathFactory, server: Server) -> t.Iterator[Balancer]:
    labs.lab("image", "registry", "haproxy")
    place = tmp_path_factory.mktemp("tokens")
    server.write(place / "token.crt")
    token = {"realm": REALM, "service": SERVICE, "issuer": ISSUER, "certificates": str(place / "token.crt")}
    with balanced(place, "tokens", registry_token=token, load_balancer_token_server=True) as found:
        begun = ask(found, server.token({"team-b/app": BOTH}), "POST", "/v2/team-b/app/blobs/uploads/")
        done = ask(found, server.token({"team-b/app": BOTH}), "PUT", f"{begun.location}&digest={DIGEST}", BLOB)
        assert (begun.status, done.status) == (202, 201)
        yield found


def ask(balancer: Balancer, token: str, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    return balancer.ask(method, path, "", body, Authorization=f"Bearer {token}", **headers)


def test_a_client_is_told_where_tokens_are(balancer: Balancer) -> None:
    answer = balancer.ask("GET", THEIRS)
    assert answer.status == 401
    assert (
        answer.headers["www-authenticate"]
        == f'Bearer realm="{REALM}",service="{SERVICE}",scope="repository:team-b/app:pull"'
    )


CASES = [
    pytest.param({"team-b/app": ["pull"]}, "GET", THEIRS, 200, id="what it is for"),
    pytest.param({"team-a/app": BOTH}, "GET", THEIRS, 401, id="another repository"),
    pytest.param({"team-b/app": ["pull"]}, "POST", "/v2/team-b/app/blobs/uploads/", 401, id="another action"),
    pytest.param({"team-a/app": BOTH}, "GET", f"/v2/team-a/../team-b/app/blobs/{DIGEST}", 404, id="dot segments"),
    pytest.param({"team-a/app": BOTH}, "GET", "/v2/team-a/app%2f..%2f..%2fteam-b/app/tags/list", 404, id="encoded slashes"),
    pytest.param({"team-a/app": BOTH}, "GET", "/", 404, id="no route"),
    pytest.param({"team-a/app": BOTH}, "GET", "/token", 404, id="the balancer gives out none"),
    pytest.param({"team-a/app": BOTH}, "GET", "/v2/_catalog", 401, id="catalogue"),
]  # fmt: skip


@pytest.mark.parametrize(("access", "method", "path", "status"), CASES)
def test_a_token(
    balancer: Balancer, server: Server, access: dict[str, t.Sequence[str]], method: str, path: str, status: int
) -> None:
    assert ask(balancer, server.token(access), method, path).status == status


def test_a_token_of_somebody_else_is_worth_nothing(balancer: Balancer) -> None:
    assert ask(balancer, Server().token({"team-b/app": ["pull"]}), "GET", THEIRS).status == 401
    assert balancer.ask("GET", THEIRS, Authorization=basic("admin")).status == 401


@pytest.mark.parametrize(
    ("query", "headers", "body"),
    [(f"?{MOUNT}", {}, b""), ("", {"Content_Type": FORM}, MOUNT.encode())],
    ids=["in the query", "in a form"],
)
def test_a_mount_wants_a_token_for_both(
    balancer: Balancer, server: Server, query: str, headers: dict[str, str], body: bytes
) -> None:
    for access, status in (({"team-a/app": BOTH}, 401), ({"team-a/app": BOTH, "team-b/app": ["pull"]}, 201)):
        path = f"/v2/team-a/app/blobs/uploads/{query}"
        assert ask(balancer, server.token(access), "POST", path, body, **headers).status == status
