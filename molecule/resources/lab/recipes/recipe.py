# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recipe is, and the key under which its image is kept."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import LabError
from ..shell import run


def no_parent() -> str:
    """What a workshop without a parent answers."""
    raise LabError("What has no parent cannot be made in its parent's image.")


def leftover_prefix(kind: str, name: str) -> str:
    """How the names of a recipe's temporary directories begin, and no other recipe's."""
    return f"{kind}-{name}@"


@dataclass(frozen=True)
class Workshop:
    """What a recipe's `prepare` gets: where to put files for the Dockerfile, where to keep dear ones, where to log."""

    name: str
    context: Path
    cache: Path
    log: Path
    key: str
    arguments: Mapping[str, str]
    # Waits until the parent is made, and answers with its reference. Who does not call it works meanwhile.
    parent: Callable[[], str] = no_parent

    @contextmanager
    def workplace(self) -> Iterator[Path]:
        """A directory for work in progress, on the file system of the cache, that a killed build does not leave for long."""
        path = Path(tempfile.mkdtemp(prefix=leftover_prefix("build", self.name), dir=self.cache))
        try:
            yield path
        finally:
            run("rm", "-rf", "--one-file-system", str(path))


@dataclass(frozen=True)
class Recipe:
    """One image: a directory with a Dockerfile, and what cannot be said in a Dockerfile."""

    name: str
    directory: Path
    reference: str  # may contain {key}
    parent: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Workshop], None] | None = None
    # REGISTRY/REPOSITORY:TAG@DIGEST of upstream's own image, which takes the place of ours where a registry answers.
    upstream: str | None = None


def key_of(name: str, recipes: Mapping[str, Recipe]) -> str:
    """The sha256 of everything that an image is made from, its parents included."""
    recipe = recipes[name]
    described = [recipe.name, recipe.reference, dict(recipe.arguments), *([recipe.upstream] if recipe.upstream else [])]
    digest = hashlib.sha256(json.dumps(described).encode())
    digest.update((key_of(recipe.parent, recipes) if recipe.parent else "").encode())
    for path in source_files(recipe.directory):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"\n{path.relative_to(recipe.directory)} {content}".encode())
    return digest.hexdigest()[:12]


def reference_of(name: str, recipes: Mapping[str, Recipe]) -> str:
    """The name under which the engine knows the image."""
    return recipes[name].reference.format(key=key_of(name, recipes))


def source_files(directory: Path) -> list[Path]:
    """A recipe's own files, in a fixed order."""
    return sorted(path for path in directory.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
