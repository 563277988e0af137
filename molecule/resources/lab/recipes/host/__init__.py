# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lab hosts with Debian's engines: the first is what the roles expect a site's host to have, the others differ in the engine."""

from __future__ import annotations

from pathlib import Path

from ..recipe import Recipe

HERE = Path(__file__).parent
STACK = "docker.io docker-cli docker-compose keepalived nftables python3-yaml aria2"
# The client that tests look with; what a rootless engine needs; and a user's own services.
PODMAN = "podman docker-cli crun uidmap passt dbus-user-session libpam-systemd"


def _recipe(name: str, base: str, packages: str) -> Recipe:
    return Recipe(name, HERE, f"airlift-lab/{name}:{{key}}", parent=base, arguments={"PACKAGES": packages})


RECIPES = (
    _recipe("host", "base", STACK),
    _recipe("host-docker-20.10-bullseye", "base-bullseye", "docker.io"),
    _recipe("host-docker-20.10", "base-bookworm", "docker.io"),
    _recipe("host-docker-28.5", "base-sid", "docker.io docker-cli"),
    _recipe("host-podman", "base", PODMAN),
)
