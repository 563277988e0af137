# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Garage, an S3 store: upstream's image, or built from its crate, which takes long: only who asks for it by name gets it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ...container import run_script
from ..recipe import Recipe, Workshop

HERE = Path(__file__).parent
# The newest one whose image several people have pinned: see docs/lab.md.
VERSION = "2.4.1"
DIGEST = "sha256:9c96caa2612d3411acc5b0e6701fb238dbfba33e533a6d7d3d811a4b12d0d020"
COMPILE = HERE / "compile.sh"


def prepare(workshop: Workshop) -> None:
    """Put Garage's binary where the Dockerfile copies it from."""
    kept = workshop.cache / f"garage-{_binary_key()}"
    if not kept.exists():
        _make_binary(kept, workshop)
    os.link(kept, workshop.context / "garage")


def _binary_key() -> str:
    script = COMPILE.read_text(encoding="utf-8")
    return hashlib.sha256(f"{VERSION}\n{script}\n{os.uname().machine}".encode()).hexdigest()[:12]


def _make_binary(kept: Path, workshop: Workshop) -> None:
    """Compile in the image that the binary will run in: the same on every machine, whatever Rust it has or has not."""
    image = workshop.parent()
    with workshop.workplace() as workplace:
        run_script(image, COMPILE, VERSION, out=workplace, log=workshop.log)
        os.replace(workplace / "garage", kept)


RECIPES = (
    Recipe(
        "garage",
        HERE,
        f"airlift-lab/garage:{VERSION}",
        parent="base",
        prepare=prepare,
        upstream=f"docker.io/dxflrs/garage:v{VERSION}@{DIGEST}",
    ),
)
