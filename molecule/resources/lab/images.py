# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making images: each recipe once per machine, independent ones at the same time."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from .errors import LabError
from .lock import locked
from .recipes import RECIPES
from .recipes.recipe import Recipe, Workshop, key_of, reference_of, source_files
from .shell import attempt, run_logged, say

NAME_LABEL = "airlift.lab.image"
KEY_LABEL = "airlift.lab.key"


def ensure_images(names: Iterable[str], cache: Path) -> dict[str, str]:
    """Make what is missing; answer with the reference of each image asked for."""
    wanted = list(names)
    check_names(wanted, RECIPES)
    references = {name: reference_of(name, RECIPES) for name in wanted}
    if any(not is_made(name) for name in wanted):
        _build_all(with_parents(wanted, RECIPES), cache)
    return references


def check_names(names: Iterable[str], recipes: Mapping[str, Recipe]) -> None:
    """Refuse names that no recipe has."""
    unknown = [name for name in names if name not in recipes]
    if unknown:
        raise LabError(f"no recipe is called {', '.join(unknown)}. There are: {', '.join(recipes)}.")


def with_parents(names: Iterable[str], recipes: Mapping[str, Recipe]) -> list[str]:
    """The names and all they are built from, parents first, each once."""
    ordered: dict[str, None] = {}
    for name in names:
        chain = [name]
        while parent := recipes[chain[-1]].parent:
            chain.append(parent)
        ordered.update(dict.fromkeys(reversed(chain)))
    return list(ordered)


def is_made(name: str) -> bool:
    """Whether the engine has this image, made by this very recipe."""
    template = f'{{{{index .Config.Labels "{KEY_LABEL}"}}}}'
    inspected = attempt("docker", "image", "inspect", "--format", template, reference_of(name, RECIPES))
    return inspected.returncode == 0 and inspected.stdout.strip() == key_of(name, RECIPES)


def _build_all(names: list[str], cache: Path) -> None:
    builds: dict[str, Future[None]] = {}
    with ThreadPoolExecutor(max_workers=len(names)) as pool:
        for name in names:
            parent = RECIPES[name].parent
            builds[name] = pool.submit(_ensure_one, RECIPES[name], builds[parent] if parent else None, cache)
    failures = dict.fromkeys(str(error) for build in builds.values() if (error := build.exception()))
    if failures:
        raise LabError("\n".join(failures))


def _ensure_one(recipe: Recipe, parent: Future[None] | None, cache: Path) -> None:
    with locked(cache / "locks" / f"{recipe.name}.lock"):
        if not is_made(recipe.name):
            _build(recipe, parent, cache)


def _build(recipe: Recipe, parent: Future[None] | None, cache: Path) -> None:
    started = time.monotonic()
    _sweep(recipe, cache)
    # The cache has the context too: big files are linked into it, and not copied.
    context = Path(tempfile.mkdtemp(prefix=f"context-{recipe.name}-", dir=cache))
    try:
        workshop = _workshop(recipe, context, cache)
        say(f"{recipe.name}: building {reference_of(recipe.name, RECIPES)}, log {workshop.log}")
        _copy_sources(recipe.directory, context)
        if recipe.prepare:
            # Does not wait for the parent: the registry is compiled while debootstrap runs.
            recipe.prepare(workshop)
        _normalize_modes(context)
        if parent:
            parent.result()
        _docker_build(recipe, workshop)
    finally:
        shutil.rmtree(context)
    say(f"{recipe.name}: made in {time.monotonic() - started:.0f} s")


def _sweep(recipe: Recipe, cache: Path) -> None:
    """Remove what killed builds of this recipe left; the lock says that they are dead."""
    for kind in ("context", "build"):
        for leftover in cache.glob(f"{kind}-{recipe.name}-*"):
            attempt("rm", "-rf", "--one-file-system", str(leftover))


def _workshop(recipe: Recipe, context: Path, cache: Path) -> Workshop:
    log = cache / "logs" / f"{recipe.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("", encoding="utf-8")
    return Workshop(context, cache, log, key_of(recipe.name, RECIPES), recipe.arguments)


def _copy_sources(directory: Path, context: Path) -> None:
    for source in source_files(directory):
        target = context / source.relative_to(directory)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def _normalize_modes(context: Path) -> None:
    """The umask of whoever runs this is not part of the recipe."""
    for path in context.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def _docker_build(recipe: Recipe, workshop: Workshop) -> None:
    arguments = dict(recipe.arguments)
    if recipe.parent:
        arguments["PARENT"] = reference_of(recipe.parent, RECIPES)
    for proxy in ("http_proxy", "https_proxy", "no_proxy"):
        if proxy in os.environ:
            arguments[proxy] = os.environ[proxy]
    options = [option for name, value in arguments.items() for option in ("--build-arg", f"{name}={value}")]
    # The classic builder: it is in every Debian engine, with or without buildx, and finds the parent in the engine.
    run_logged(
        "docker", "build", "--network", "host", "--no-cache", "--force-rm", *options,
        "--label", f"{NAME_LABEL}={recipe.name}", "--label", f"{KEY_LABEL}={workshop.key}",
        "--tag", reference_of(recipe.name, RECIPES), str(workshop.context),
        log=workshop.log, environment={"DOCKER_BUILDKIT": "0"},
    )  # fmt: skip
    attempt("docker", "image", "prune", "--force", "--filter", f"label={NAME_LABEL}={recipe.name}")
