# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab host with Docker Engine 29, built from its Go module; its image store is containerd's unless one asks for another."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ...golang import go_install
from ..recipe import Recipe, Workshop

NAME = "host-docker-29"
MODULE = "github.com/moby/moby/v2/cmd/dockerd@v2.0.0-beta.24"
LINKER_FLAGS = "-s -w"


def prepare(workshop: Workshop) -> None:
    """Put the daemon where the Dockerfile copies it from."""
    kept = workshop.cache / f"dockerd-{_binary_key()}"
    if not kept.exists():
        with workshop.workplace() as workplace:
            go_install(MODULE, LINKER_FLAGS, workplace, workshop)
            os.replace(workplace / "dockerd", kept)
    os.link(kept, workshop.context / "dockerd")


def _binary_key() -> str:
    return hashlib.sha256(f"{MODULE}\n{LINKER_FLAGS}\n{os.uname().machine}".encode()).hexdigest()[:12]


RECIPES = (Recipe(NAME, Path(__file__).parent, f"airlift-lab/{NAME}:{{key}}", parent="host", prepare=prepare),)
