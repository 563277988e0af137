# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian, minimal: trixie is the one layer that all images of the stack share; hosts come of other releases too."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ...errors import LabError
from ...shell import attempt, install_packages, run_logged
from ..recipe import Recipe, Workshop

FALLBACK_MIRROR = "http://deb.debian.org/debian"
HERE = Path(__file__).parent


def debian_mirror() -> str:
    """The mirror that this machine's apt already uses, so that a site's own mirror is honoured."""
    listed = attempt("apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)")
    return choose_mirror(listed.stdout)


def choose_mirror(listed: str) -> str:
    """Pick Debian's main archive out of apt's index targets."""
    for line in listed.splitlines():
        origin, label, uri = line.split("|", 2)
        if (origin, label) == ("Debian", "Debian") and uri.startswith(("http://", "https://")):
            return uri.rstrip("/")
    return FALLBACK_MIRROR


def prepare(workshop: Workshop) -> None:
    """Put rootfs.tar where the Dockerfile adds it from."""
    kept = workshop.cache / f"base-{workshop.key}.tar"
    if not kept.exists():
        _make_rootfs(kept, workshop)
    os.link(kept, workshop.context / "rootfs.tar")


def _make_rootfs(kept: Path, workshop: Workshop) -> None:
    if os.geteuid():
        raise LabError("debootstrap needs root. Run the lab as root.")
    if shutil.which("debootstrap") is None:
        install_packages("debootstrap", "debian-archive-keyring")
    with workshop.workplace() as workplace:
        # Namespaces of its own: whatever debootstrap mounts and starts is gone with them, also after a kill.
        run_logged(
            "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
            "/bin/sh", str(HERE / "rootfs.sh"), workshop.arguments["RELEASE"], debian_mirror(), str(workplace),
            log=workshop.log,
        )  # fmt: skip
        os.replace(workplace / "rootfs.tar", kept)


def _recipe(name: str, release: str) -> Recipe:
    return Recipe(name, HERE, f"airlift-lab/{name}:{{key}}", arguments={"RELEASE": release}, prepare=prepare)


RECIPES = (
    _recipe("base", "trixie"),
    _recipe("base-bullseye", "bullseye"),
    _recipe("base-bookworm", "bookworm"),
    _recipe("base-sid", "sid"),
)
