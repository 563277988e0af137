# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The distribution API, against a server that speaks it over TLS: logins, answers, and what must never be sent."""

from __future__ import annotations

import base64
import socket
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._errors import RegistryError
from ansible_collections.airlift.registry.plugins.module_utils._registry import Access, Registry
from ansible_collections.airlift.registry.tests.unit.plugins.support.certificates import Certificate, make_certificate
from ansible_collections.airlift.registry.tests.unit.plugins.support.servers import RegistryState, registry_server

DIGEST = "sha256:" + "a" * 64
BASIC = "Basic " + base64.b64encode(b"ops:s3cret").decode()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def state() -> RegistryState:
    return RegistryState(manifests={"team/app/v1": DIGEST}, blobs={f"team/app/{DIGEST}"})


@pytest.fixture
def host(state: RegistryState, certificate: Certificate) -> t.Iterator[str]:
    with registry_server(state, certificate) as address:
        yield address


@pytest.fixture
def registry(host: str, certificate: Certificate) -> Registry:
    return Registry(host, Access("ops", "s3cret", str(certificate.path)), 5)


def test_knows_what_is_there(registry: Registry) -> None:
    assert registry.manifest_digest("team/app", "v1") == DIGEST
    assert registry.manifest_digest("team/app", "v2") is None
    assert registry.has_blob("team/app", DIGEST)
    assert not registry.has_blob("team/other", DIGEST)


def test_sends_no_password_to_a_registry_that_does_not_ask(registry: Registry, state: RegistryState) -> None:
    registry.has_blob("team/app", DIGEST)
    assert [entry[2] for entry in state.seen] == [""]


def test_answers_a_basic_challenge_and_remembers_it(registry: Registry, state: RegistryState) -> None:
    state.challenge, state.authorization = 'Basic realm="registry"', BASIC
    assert registry.manifest_digest("team/app", "v1") == DIGEST
    assert registry.has_blob("team/app", DIGEST)
    assert [entry[2] for entry in state.seen] == ["", BASIC, BASIC]


@pytest.mark.parametrize("token", [b'{"token": "abc"}', b'{"access_token": "abc"}'])
def test_answers_a_bearer_challenge(registry: Registry, state: RegistryState, host: str, token: bytes) -> None:
    state.challenge = f'Bearer realm="https://{host}/token",service="registry.example.com"'
    state.authorization, state.token = "Bearer abc", token
    assert registry.has_blob("team/app", DIGEST)
    method, path, authorization = state.seen[1]
    assert (method, authorization) == ("GET", BASIC)
    assert path == "/token?service=registry.example.com&scope=repository%3Ateam%2Fapp%3Apull%2Cpush"


def test_a_token_endpoint_in_the_clear_gets_no_password(registry: Registry, state: RegistryState, host: str) -> None:
    with registry_server(RegistryState(), None) as other:
        state.challenge, state.authorization = f'Bearer realm="http://{other}/token",service="x"', "Bearer abc"
        with pytest.raises(RegistryError, match=f"sends logins to 'http://{other}/token'"):
            registry.has_blob("team/app", DIGEST)
    assert BASIC not in [entry[2] for entry in state.seen]


@pytest.mark.parametrize("token", [b"", b"no json", b"[]", b"null", b"{}", b'{"token": 7}'])
def test_refuses_what_is_no_token(registry: Registry, state: RegistryState, host: str, token: bytes) -> None:
    state.challenge, state.authorization = f'Bearer realm="https://{host}/token"', "Bearer abc"
    state.token = token
    with pytest.raises(RegistryError) as error:
        registry.has_blob("team/app", DIGEST)
    assert "Check the user name and the password" in error.value.next_step


@pytest.mark.parametrize("username", ["ops", ""])
def test_says_that_the_password_is_wrong(
    host: str, state: RegistryState, certificate: Certificate, username: str
) -> None:
    state.challenge, state.authorization = 'Basic realm="registry"', BASIC
    with pytest.raises(RegistryError, match="answered 401") as error:
        Registry(host, Access(username, "wrong", str(certificate.path)), 5).has_blob("team/app", DIGEST)
    assert "Check the user name and the password" in error.value.next_step
    assert "wrong" not in str(error.value)
    assert len(state.seen) <= 2


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        pytest.param(403, "Give this user the right", id="forbidden"),
        pytest.param(500, "registry's log", id="broken"),
        pytest.param(503, "registry's log", id="overloaded"),
    ],
)
def test_says_what_a_registry_answered(
    registry: Registry, state: RegistryState, host: str, status: int, hint: str
) -> None:
    state.status = status
    with pytest.raises(RegistryError, match=f"https://{host}/v2/team/app/blobs/{DIGEST} answered {status}") as error:
        registry.has_blob("team/app", DIGEST)
    assert hint in error.value.next_step


def test_a_proxy_that_answers_everything_is_no_registry(registry: Registry, state: RegistryState) -> None:
    state.digest_header = False
    with pytest.raises(RegistryError, match="does not say which digest team/app:v1 has"):
        registry.manifest_digest("team/app", "v1")


def test_follows_to_the_storage_without_the_password(
    registry: Registry, state: RegistryState, certificate: Certificate
) -> None:
    """A registry on S3 sends those who ask for a blob there; the storage must not learn who they are."""
    storage = RegistryState(blobs={f"team/app/{DIGEST}"})
    with registry_server(storage, certificate) as other:
        state.challenge, state.authorization, state.redirect = 'Basic realm="registry"', BASIC, f"https://{other}"
        assert registry.has_blob("team/app", DIGEST)
    assert [entry[2] for entry in storage.seen] == [""]


def test_says_that_nothing_answers(certificate: Certificate) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{reserved.getsockname()[1]}"
        with pytest.raises(RegistryError, match=f"Registry {host} cannot be reached") as error:
            Registry(host, Access(ca_path=str(certificate.path)), 2).has_blob("team/app", DIGEST)
    assert "Check its name and port" in error.value.next_step


def test_trusts_nobody_without_a_ca(host: str, state: RegistryState) -> None:
    with pytest.raises(RegistryError, match="cannot be reached") as error:
        Registry(host, Access("ops", "s3cret"), 5).has_blob("team/app", DIGEST)
    assert "ca_path" in error.value.next_step
    assert state.seen == []


def test_speaks_to_nobody_in_the_clear(state: RegistryState, certificate: Certificate, tmp_path: Path) -> None:
    with registry_server(state, None) as plain, pytest.raises(RegistryError, match="cannot be reached"):
        Registry(plain, Access("ops", "s3cret", str(certificate.path)), 5).has_blob("team/app", DIGEST)
    assert state.seen == []
