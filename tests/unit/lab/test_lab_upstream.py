# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upstream images: where they are pulled from, and what a failed pull means."""

from __future__ import annotations

import re

import pytest

from lab.recipes import RECIPES
from lab.upstream import NoAnswerError, failure, source_of

DIGEST = "sha256:" + "ab" * 32
PINNED = {recipe.name: recipe.upstream for recipe in RECIPES.values() if recipe.upstream}


@pytest.mark.parametrize(
    ("upstream", "mirror", "source"),
    [
        pytest.param("docker.io/library/app:1.2", "", "docker.io/library/app", id="upstream"),
        pytest.param("docker.io/library/app:1.2", "m.example:5000", "m.example:5000/library/app", id="mirror"),
        pytest.param("docker.io/library/app:1.2", "m.example/hub", "m.example/hub/library/app", id="part-of-a-mirror"),
        pytest.param("r.example:5000/app:1.2", "", "r.example:5000/app", id="registry-with-a-port"),
    ],
)
def test_source_is_named_by_digest_alone(upstream: str, mirror: str, source: str) -> None:
    assert source_of(f"{upstream}@{DIGEST}", mirror) == f"{source}@{DIGEST}"


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        pytest.param(
            'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io on 192.0.2.1:53: no such host',
            False,
            id="no-name-service",
        ),
        pytest.param(
            'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused', False, id="refused"
        ),
        pytest.param(
            f'failed to resolve reference "r.example/app@{DIGEST}": failed to do request: '
            f'Head "https://r.example/v2/app/manifests/{DIGEST}": dial tcp 192.0.2.1:443: i/o timeout',
            False,
            id="containerd-store",
        ),
        pytest.param(f"manifest for r.example/app@{DIGEST} not found: manifest unknown", True, id="not-there"),
        pytest.param(f"manifest verification failed for digest {DIGEST}", True, id="another-manifest"),
        pytest.param("no matching manifest for linux/riscv64 in the manifest list entries", True, id="platform"),
    ],
)
def test_registry_that_answered_is_told_from_one_that_did_not(said: str, answered: bool) -> None:
    error = failure(f"Error response from daemon: {said}\n")
    assert isinstance(error, NoAnswerError) is not answered
    assert str(error) == said


@pytest.mark.parametrize("upstream", PINNED.values(), ids=PINNED)
def test_upstream_images_are_pinned_with_registry_and_version(upstream: str) -> None:
    assert re.fullmatch(r"docker\.io/[a-z]+/[a-z]+:v?[0-9][a-z0-9.-]+@sha256:[0-9a-f]{64}", upstream)


@pytest.mark.parametrize(("name", "upstream"), PINNED.items(), ids=PINNED)
def test_pulled_and_built_images_have_the_same_version(name: str, upstream: str) -> None:
    pulled = upstream.partition("@")[0].rpartition(":")[2].removeprefix("v").removesuffix("-alpine")
    assert pulled == RECIPES[name].reference.rpartition(":")[2]
