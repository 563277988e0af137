# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making images: each recipe once per machine, pulled or else built, independent ones at the same time."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from .errors import LabError
from .lock import locked
from .recipes import RECIPES
from .recipes.recipe import Recipe, Workshop, key_of, leftover_prefix, no_parent, reference_of, source_files
from .shell import attempt, options, proxies, run_logged, say
from .upstream import Puller

NAME_LABEL = "airlift.lab.image"
KEY_LABEL = "airlift.lab.key"
# Which upstream image it is, or that it was built.
ORIGIN_LABEL = "airlift.lab.origin"
BUILT = "built"


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


class Images:
    """The images of some recipes on this machine."""

    def __init__(self, cache: Path, recipes: Mapping[str, Recipe] = RECIPES) -> None:
        self.cache = cache
        self.recipes = recipes

    def ensure(self, names: Iterable[str]) -> dict[str, str]:
        """Make what is missing; answer with the reference of each image asked for."""
        wanted = list(names)
        check_names(wanted, self.recipes)
        puller = Puller()
        missing = [name for name in wanted if not self.is_made(name) and not self._pull(name, puller)]
        if missing:
            self._build_all(with_parents(missing, self.recipes))
        return {name: self.reference(name) for name in wanted}

    def reference(self, name: str) -> str:
        return reference_of(name, self.recipes)

    def is_made(self, name: str) -> bool:
        """Whether the engine has this image, made by this very recipe."""
        template = f'{{{{index .Config.Labels "{KEY_LABEL}"}}}}'
        inspected = attempt("docker", "image", "inspect", "--format", template, self.reference(name))
        return inspected.returncode == 0 and inspected.stdout.strip() == key_of(name, self.recipes)

    def _pull(self, name: str, puller: Puller) -> bool:
        """Take upstream's image as it is, but for the labels that say what it is; tell whether there is one."""
        started = time.monotonic()
        upstream = self.recipes[name].upstream
        source = puller.pull(name, upstream) if upstream else None
        if not upstream or not source:
            return False
        with self._lock(name), self._workshop(name) as workshop:
            (workshop.context / "Dockerfile").write_text(f"FROM {source}\n", encoding="utf-8")
            self._docker_build(name, workshop, origin=upstream)
        say(f"{name}: pulled {source} as {self.reference(name)} in {time.monotonic() - started:.0f} s")
        return True

    def _build_all(self, names: list[str]) -> None:
        builds: dict[str, Future[None]] = {}
        with ThreadPoolExecutor(max_workers=len(names)) as pool:
            for name in names:
                parent = self.recipes[name].parent
                builds[name] = pool.submit(self._ensure_one, name, builds[parent] if parent else None)
        failures = dict.fromkeys(str(error) for build in builds.values() if (error := build.exception()))
        if failures:
            raise LabError("\n".join(failures))

    def _ensure_one(self, name: str, parent: Future[None] | None) -> None:
        with self._lock(name):
            if not self.is_made(name):
                self._build(name, parent)

    def _build(self, name: str, parent: Future[None] | None) -> None:
        started = time.monotonic()
        with self._workshop(name, parent) as workshop:
            say(f"{name}: building {self.reference(name)}, log {workshop.log}")
            self._furnish(self.recipes[name], workshop)
            if parent:
                parent.result()
            self._docker_build(name, workshop, origin=BUILT)
        say(f"{name}: built in {time.monotonic() - started:.0f} s")

    @staticmethod
    def _furnish(recipe: Recipe, workshop: Workshop) -> None:
        _copy_sources(recipe.directory, workshop.context)
        if recipe.prepare:
            # Need not wait for the parent: the registry is compiled while debootstrap runs.
            recipe.prepare(workshop)
        _normalize_modes(workshop.context)

    def _lock(self, name: str) -> AbstractContextManager[None]:
        """Whoever holds it makes this image, and nobody else does."""
        return locked(self.cache / "locks" / f"{name}.lock")

    @contextmanager
    def _workshop(self, name: str, parent: Future[None] | None = None) -> Iterator[Workshop]:
        _sweep(name, self.cache)
        # The cache has the context too: big files are linked into it, and not copied.
        context = Path(tempfile.mkdtemp(prefix=leftover_prefix("context", name), dir=self.cache))
        try:
            yield Workshop(
                name=name,
                context=context,
                cache=self.cache,
                log=_fresh_log(name, self.cache),
                key=key_of(name, self.recipes),
                arguments=self.recipes[name].arguments,
                parent=lambda: self._parent(name, parent),
            )
        finally:
            shutil.rmtree(context)

    def _parent(self, name: str, made: Future[None] | None) -> str:
        parent = self.recipes[name].parent
        if not parent or not made:
            return no_parent()
        made.result()
        return self.reference(parent)

    def _docker_build(self, name: str, workshop: Workshop, origin: str) -> None:
        recipe = self.recipes[name]
        arguments = dict(recipe.arguments)
        if recipe.parent:
            arguments["PARENT"] = self.reference(recipe.parent)
        arguments |= proxies()
        labels = {NAME_LABEL: name, KEY_LABEL: workshop.key, ORIGIN_LABEL: origin}
        # The classic builder: it is in every Debian engine, with or without buildx, and finds the parent in the engine.
        run_logged(
            "docker", "build", "--network", "host", "--no-cache", "--force-rm",
            *options("--build-arg", arguments), *options("--label", labels),
            "--tag", self.reference(name), str(workshop.context),
            log=workshop.log, environment={"DOCKER_BUILDKIT": "0"},
        )  # fmt: skip
        attempt("docker", "image", "prune", "--force", "--filter", f"label={NAME_LABEL}={name}")


def _sweep(name: str, cache: Path) -> None:
    """Remove what killed builds of this recipe left; the lock says that they are dead."""
    for kind in ("context", "build"):
        for leftover in cache.glob(f"{leftover_prefix(kind, name)}*"):
            attempt("rm", "-rf", "--one-file-system", str(leftover))


def _fresh_log(name: str, cache: Path) -> Path:
    log = cache / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("", encoding="utf-8")
    return log


def _copy_sources(directory: Path, context: Path) -> None:
    for source in source_files(directory):
        target = context / source.relative_to(directory)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def _normalize_modes(context: Path) -> None:
    """The umask of whoever runs this is not part of the recipe."""
    for path in context.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
