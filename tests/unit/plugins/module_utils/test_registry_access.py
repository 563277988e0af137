# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials and certificates of registries, found where skopeo finds them."""

from __future__ import annotations

import base64
import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._reference import parse_reference
from ansible_collections.airlift.registry.plugins.module_utils._registry_access import (
    Accesses,
    find_access,
    find_credentials,
)


def auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


def write(path: Path, entries: t.Any) -> str:
    path.write_text(json.dumps({"auths": entries}))
    return str(path)


ENTRIES = {
    "host.example": auth("host:1"),
    "host.example/team": auth("team:2"),
    "host.example/team/app": auth("app:3:4"),
    "https://index.docker.io/v1/": auth("hub:5"),
    "helped.example": {},
}


@pytest.mark.parametrize(
    ("host", "repository", "found"),
    [
        pytest.param("host.example", "team/app", ("app", "3:4"), id="the repository's own"),
        pytest.param("host.example", "team/tool", ("team", "2"), id="those of a part of its path"),
        pytest.param("host.example", "teamwork", ("host", "1"), id="those of the host"),
        pytest.param("host.example:5000", "team/app", ("", ""), id="another port is another host"),
        pytest.param("docker.io", "library/app", ("hub", "5"), id="Docker Hub by Docker's name for it"),
        pytest.param("other.example", "team/app", ("", ""), id="none"),
    ],
)
def test_the_closest_credentials_count(tmp_path: Path, host: str, repository: str, found: tuple[str, str]) -> None:
    assert find_credentials(host, repository, [write(tmp_path / "auth.json", ENTRIES)]) == found


def test_the_first_file_that_has_some_counts(tmp_path: Path) -> None:
    files = [
        str(tmp_path / "missing"),
        write(tmp_path / "empty", {}),
        write(tmp_path / "one", {"host.example": auth("one:1")}),
        write(tmp_path / "two", {"host.example": auth("two:2")}),
    ]
    assert find_credentials("host.example", "app", files) == ("one", "1")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("no json", id="no JSON"),
        pytest.param("[]", id="no object"),
        pytest.param('{"auths": {"host.example": {}}}', id="a helper's entry"),
        pytest.param('{"auths": {"host.example": 7}}', id="a number"),
        pytest.param('{"auths": {"host.example": {"auth": "%%%"}}}', id="no base64"),
        pytest.param('{"auths": {"host.example": {"auth": "YWJj"}}}', id="no password"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "auth.json").write_text(text)
    with pytest.raises(InputError, match=f"{tmp_path}/auth.json") as error:
        find_credentials("host.example", "app", [str(tmp_path / "auth.json")])
    assert "skopeo login" in error.value.next_step


def test_places_are_those_of_skopeo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    for directory in (".docker", "run/containers"):
        (tmp_path / directory).mkdir(parents=True)
    write(tmp_path / ".docker/config.json", {"host.example": auth("docker:1")})
    scratch = str(tmp_path / "ca.crt")
    assert find_access("host.example", "app", "", "", scratch).username == "docker"
    write(tmp_path / "run/containers/auth.json", {"host.example": auth("podman:2")})
    assert find_access("host.example", "app", "", "", scratch).username == "podman"
    monkeypatch.setenv("REGISTRY_AUTH_FILE", write(tmp_path / "named.json", {"host.example": auth("named:3")}))
    assert find_access("host.example", "app", "", "", scratch).username == "named"
    given = write(tmp_path / "given.json", {"host.example": auth("given:4")})
    assert find_access("host.example", "app", given, "", scratch).username == "given"


def test_certificates_are_those_of_the_directory(tmp_path: Path) -> None:
    certs, authfile = tmp_path / "certs", write(tmp_path / "auth.json", {})
    certs.mkdir()
    scratch = str(tmp_path / "joined.crt")
    assert find_access("host.example", "app", authfile, str(certs), scratch).ca_path == ""
    for name in ("b.crt", "a.crt", "client.cert", "client.key", "notes.txt"):
        (certs / name).write_text(name)
    access = find_access("host.example", "app", authfile, str(certs), scratch)
    assert Path(access.ca_path).read_text() == "a.crt\nb.crt\n"
    assert (access.client_cert, access.client_key) == (str(certs / "client.cert"), str(certs / "client.key"))


def test_a_registry_is_asked_for_once_for_each_repository(tmp_path: Path) -> None:
    accesses = Accesses(write(tmp_path / "auth.json", ENTRIES), str(tmp_path), str(tmp_path))
    first, again, other = (
        accesses.registry(parse_reference(f"host.example/{name}")) for name in ("team/app:1", "team/app:2", "tool:1")
    )
    assert first is again
    assert first is not other
