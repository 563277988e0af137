# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that the lab can make. A recipe is one directory here: a Dockerfile, its files, and a RECIPE.

To add one, add a directory with a Dockerfile and an `__init__.py` that ends in `RECIPES = (Recipe(...),)`, and name it in ALL.
"""

from __future__ import annotations

from . import (
    app,
    app_dependencies,
    base,
    garage,
    haproxy,
    host,
    host_containerd,
    host_docker_29,
    registry,
    registry_2_8,
    valkey,
)
from .recipe import Recipe

ALL = (
    base,
    host,
    host_containerd,
    host_docker_29,
    registry,
    registry_2_8,
    haproxy,
    garage,
    valkey,
    app_dependencies,
    app,
)

RECIPES: dict[str, Recipe] = {recipe.name: recipe for module in ALL for recipe in module.RECIPES}

# What a host is unless its spec names another engine.
HOST = "host"
ENGINES = tuple(name.removeprefix(f"{HOST}-") for name in RECIPES if name.startswith(f"{HOST}-"))


def host_recipe(engine: str | None) -> str:
    """The name of the recipe of a host with that engine."""
    return f"{HOST}-{engine}" if engine else HOST
