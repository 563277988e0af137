# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""References and sources: what is meant, and what no engine would take."""

from __future__ import annotations

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._reference import (
    familiar,
    normalize,
    parse_reference,
    parse_source,
)

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("text", "full"),
    [
        pytest.param("app", "docker.io/library/app:latest", id="name only"),
        pytest.param("app:1.0", "docker.io/library/app:1.0", id="name and tag"),
        pytest.param("team/app:1.0", "docker.io/team/app:1.0", id="path on Docker Hub"),
        pytest.param("docker.io/app", "docker.io/library/app:latest", id="official image by its host"),
        pytest.param("index.docker.io/team/app", "docker.io/team/app:latest", id="old name of Docker Hub"),
        pytest.param("docker.io/library/app:1", "docker.io/library/app:1", id="full already"),
        pytest.param("localhost/app:1", "localhost/app:1", id="localhost is a host"),
        pytest.param("localhost:5000/app", "localhost:5000/app:latest", id="port, no tag"),
        pytest.param("127.0.0.1:5000/team/app:1", "127.0.0.1:5000/team/app:1", id="address, port and tag"),
        pytest.param("[::1]:5000/app:1", "[::1]:5000/app:1", id="IPv6 address"),
        pytest.param("registry:5000/app", "registry:5000/app:latest", id="a port makes a host"),
        pytest.param("Registry/app", "Registry/app:latest", id="upper case makes a host"),
        pytest.param("registry.example.com/a/b/c:v1", "registry.example.com/a/b/c:v1", id="deep path"),
        pytest.param("app:5000", "docker.io/library/app:5000", id="a number without a path is a tag"),
        pytest.param(f"app@{DIGEST}", f"docker.io/library/app@{DIGEST}", id="digest, no tag is added"),
        pytest.param(f"app:1@{DIGEST}", f"docker.io/library/app:1@{DIGEST}", id="tag and digest"),
        pytest.param("a_b/c__d/e--f/g.h", "docker.io/a_b/c__d/e--f/g.h:latest", id="separators"),
        pytest.param("app:_x-Y.9", "docker.io/library/app:_x-Y.9", id="every kind of character in a tag"),
        pytest.param(f"app:{'x' * 128}", f"docker.io/library/app:{'x' * 128}", id="longest tag"),
    ],
)
def test_normalizes(text: str, full: str) -> None:
    assert normalize(text) == full
    assert normalize(full) == full


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(":1", id="tag only"),
        pytest.param("app:", id="empty tag"),
        pytest.param("app:-x", id="tag begins with a dash"),
        pytest.param("app:ä", id="tag with an umlaut"),
        pytest.param(f"app:{'x' * 129}", id="tag too long"),
        pytest.param("App", id="upper case"),
        pytest.param("registry.example.com/App:1", id="upper case path"),
        pytest.param("app//x", id="empty component"),
        pytest.param("team/", id="ends with a slash"),
        pytest.param("/team/app", id="begins with a slash"),
        pytest.param("../etc/passwd", id="leaves its directory"),
        pytest.param("registry.example.com/../app", id="leaves its registry"),
        pytest.param("a..b", id="two dots"),
        pytest.param("a___b", id="three underscores"),
        pytest.param("-app", id="looks like an option"),
        pytest.param("--all", id="looks like a long option"),
        pytest.param("-host.example.com/app", id="host looks like an option"),
        pytest.param("host..example.com/app", id="host with an empty label"),
        pytest.param("host-.example.com/app", id="label of a host ends with a dash"),
        pytest.param("app 1", id="space"),
        pytest.param("app:1\n", id="newline at the end"),
        pytest.param("app\0", id="null byte"),
        pytest.param("host:port/app", id="port is no number"),
        pytest.param("host:123456/app", id="port too long"),
        pytest.param(f"app@{HEX}", id="digest without algorithm"),
        pytest.param(f"app@{DIGEST.upper()}", id="digest in upper case"),
        pytest.param(f"app@{DIGEST[:-1]}", id="digest too short"),
        pytest.param("app@", id="empty digest"),
        pytest.param("app@md5:d41d8cd98f00b204e9800998ecf8427e", id="digest of another algorithm"),
        pytest.param("a" * 256, id="longer than registries allow"),
        pytest.param("https://registry.example.com/app", id="an address of the web"),
    ],
)
def test_refuses_what_no_engine_would_take(text: str) -> None:
    with pytest.raises(InputError) as error:
        parse_reference(text)
    assert repr(text) in error.value.problem
    assert "registry.example.com/team/app:1.0" in error.value.next_step


@pytest.mark.parametrize(
    ("full", "short"),
    [
        ("docker.io/library/app:1", "app:1"),
        ("docker.io/team/app:1", "team/app:1"),
        ("registry.example.com/library/app:1", "registry.example.com/library/app:1"),
    ],
)
def test_shows_the_short_form(full: str, short: str) -> None:
    assert familiar(full) == short
    assert normalize(short) == full


@pytest.mark.parametrize(
    ("text", "transport", "location"),
    [
        pytest.param(
            "docker://registry.example.com:5000/app:1", "docker", "registry.example.com:5000/app:1", id="registry"
        ),
        pytest.param("docker-daemon:app:1", "docker-daemon", "app:1", id="engine"),
        pytest.param("docker-archive:/srv/app.tar", "docker-archive", "/srv/app.tar", id="file"),
        pytest.param(
            "docker-archive:/srv/app.tar:app:1", "docker-archive", "/srv/app.tar:app:1", id="file and reference"
        ),
    ],
)
def test_reads_sources(text: str, transport: str, location: str) -> None:
    source = parse_source(text)
    assert (source.transport, source.location) == (transport, location)
    assert str(source) == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("app:1", "no transport", id="reference without a transport"),
        pytest.param("registry.example.com/app", "no transport", id="reference with a host"),
        pytest.param("", "no transport", id="empty"),
        pytest.param("ftp://x/app", "no transport", id="unknown transport"),
        pytest.param("docker:registry.example.com/app", "two slashes", id="slashes forgotten"),
        pytest.param("docker://", "names no image", id="registry without an image"),
        pytest.param("docker-daemon:", "names no image", id="engine without an image"),
    ],
)
def test_refuses_sources(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as error:
        parse_source(text)
    assert "docker-daemon:REPOSITORY:TAG" in error.value.next_step
