# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CNCF Distribution: upstream's image, or built from its Go module and laid out as that one is."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ...errors import LabError
from ...golang import go_install
from ...shell import run, say
from ..recipe import Recipe, Workshop

VERSION = "3.1.2"
DIGEST = "sha256:ddf754342cfc8acc51a56d5d0ab6af06826461864460636d8bd5c546dab2a7b8"
MODULE = f"github.com/distribution/distribution/v3/cmd/registry@v{VERSION}"
LINKER_FLAGS = f"-s -w -X github.com/distribution/distribution/v3/version.version=v{VERSION}"


def prepare(workshop: Workshop) -> None:
    """Put the registry's binary where the Dockerfile copies it from."""
    kept = workshop.cache / f"registry-{_binary_key()}"
    if not kept.exists():
        _make_binary(kept, workshop)
    os.link(kept, workshop.context / "registry")


def _binary_key() -> str:
    return hashlib.sha256(f"{MODULE}\n{LINKER_FLAGS}\n{os.uname().machine}".encode()).hexdigest()[:12]


def _make_binary(kept: Path, workshop: Workshop) -> None:
    with workshop.workplace() as workplace:
        try:
            go_install(MODULE, LINKER_FLAGS, workplace, workshop)
        except LabError as error:
            say(f"Distribution {VERSION} could not be built, so Debian's docker-registry 2.8 takes its place. {error}")
            _take_from_debian(workplace)
        os.replace(workplace / "registry", kept)


def _take_from_debian(workplace: Path) -> None:
    run("env", "-C", str(workplace), "apt-get", "download", "docker-registry")
    archive = next(workplace.glob("*.deb"))
    run("dpkg-deb", "--extract", str(archive), str(workplace / "tree"))
    os.replace(workplace / "tree/usr/bin/docker-registry", workplace / "registry")


RECIPES = (
    Recipe(
        "registry",
        Path(__file__).parent,
        f"airlift-lab/registry:{VERSION}",
        parent="base",
        prepare=prepare,
        upstream=f"docker.io/library/registry:{VERSION}@{DIGEST}",
    ),
)
