# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Garage, an S3 store, built from its crate. It takes long, and nothing builds it that does not ask for it by name."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from ...errors import LabError
from ...shell import run_logged
from ..recipe import Recipe, Workshop

VERSION = "2.5.0"
# A lab's store need not be the fastest: without optimisation across crates the build takes a fraction of the time.
PROFILE = {
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "1",
    "CARGO_PROFILE_RELEASE_DEBUG": "0",
    "CARGO_PROFILE_RELEASE_STRIP": "symbols",
}


def prepare(workshop: Workshop) -> None:
    """Put Garage's binary where the Dockerfile copies it from."""
    kept = workshop.cache / f"garage-{_binary_key()}"
    if not kept.exists():
        _make_binary(kept, workshop)
    os.link(kept, workshop.context / "garage")


def _binary_key() -> str:
    return hashlib.sha256(f"{VERSION}\n{sorted(PROFILE.items())}\n{os.uname().machine}".encode()).hexdigest()[:12]


def _make_binary(kept: Path, workshop: Workshop) -> None:
    cargo = shutil.which("cargo")
    if not cargo:
        raise LabError("Garage is built by cargo, and there is none. Install Rust and a C compiler and run this again.")
    workplace = Path(tempfile.mkdtemp(prefix="build-garage-", dir=workshop.cache))
    try:
        run_logged(
            cargo, "install", "garage", "--version", VERSION, "--locked", "--root", str(workplace),
            log=workshop.log, environment={**PROFILE, "CARGO_TARGET_DIR": str(workplace / "target")},
        )  # fmt: skip
        os.replace(workplace / "bin/garage", kept)
    finally:
        shutil.rmtree(workplace)


RECIPES = (Recipe("garage", Path(__file__).parent, f"airlift-lab/garage:{VERSION}", parent="base", prepare=prepare),)
