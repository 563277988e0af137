# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What an image source is: where an image comes from, for which platforms, and the name that it gets in the bundle.

Each kind of source is one class with two verbs, C(identify) (cheap, changes nothing) and C(fetch), in a file of its own.
"""

from __future__ import annotations

import concurrent.futures
import json
import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._choice import ALL
from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed
from ansible_collections.airlift.registry.plugins.module_utils._pick import parse_place
from ansible_collections.airlift.registry.plugins.module_utils._reference import (
    FILES,
    Source,
    is_digest,
    normalize,
    parse_source,
    repository_of,
)

# Transports whose images may have several platforms.
MULTI_PLATFORM = ("docker", "oci", "oci-archive")


@dataclass(frozen=True)
class Wanted:
    """An image that shall be in the bundle: its full reference there, its source, and its platforms (C(all) is every one).

    C(digest) is the one by which its source must know it, when a lock says so.
    """

    name: str
    source: Source
    platforms: tuple[str, ...]
    digest: str = ""

    @property
    def location(self) -> str:
        """Where the source has it: in a registry under its digest, if that is known, because a tag may have moved."""
        if self.digest and self.source.transport == "docker":
            return f"{repository_of(self.source.location)}@{self.digest}"
        return self.source.location


class SourceKind(t.Protocol):
    """One transport."""

    def identify(self, wanted: Wanted) -> str:
        """The digest by which the source knows the image. Several threads may ask."""

    def fetch(self, wanted: t.Sequence[Wanted], ids: t.Mapping[Wanted, str], store: BlobStore) -> list[Packed]:
        """Bring the images into the store."""


def parse_list(values: t.Sequence[t.Any], platform: str) -> list[Wanted]:
    """The option C(images), I(platform) being the one of entries that name none; raises InputError."""
    wanted = [parse_wanted(value, platform) for value in values]
    check_names(wanted)
    return wanted


def check_names(wanted: t.Sequence[Wanted]) -> None:
    """Raise InputError when one name is to be two images."""
    names = [entry.name for entry in wanted]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{name} is in the list of images more than once", "Give each image a name of its own.")


def parse_wanted(value: t.Any, platform: str) -> Wanted:
    """One entry of the option C(images): a source, or a mapping with C(source), C(name) and C(platforms)."""
    if isinstance(value, str):
        value = {"source": value}
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("source"), str)
        or not isinstance(value.get("name", ""), str)
        or set(value) - {"source", "name", "platforms"}
    ):
        raise InputError(
            f"Image {json.dumps(value, default=str)} cannot be used",
            "Give a source, or a mapping with source, and name and platforms if you like.",
        )
    source = parse_source(value["source"])
    return Wanted(_bundle_name(value.get("name"), source), source, _platforms(value.get("platforms"), platform, source))


def identify_all(kinds: t.Mapping[str, SourceKind], wanted: t.Sequence[Wanted], parallel: int) -> dict[Wanted, str]:
    """The digest by which its source knows each image, several asked at once.

    Raises InputError with the list of all that a lock wants and that have moved or are gone.
    """
    with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
        jobs = {entry: pool.submit(kinds[entry.source.transport].identify, entry) for entry in wanted}
    problems = [problem for entry, job in jobs.items() if (problem := _lock_problem(entry, job))]
    if problems:
        raise InputError(
            f"The lock cannot be followed: {'; '.join(problems)}",
            "Bring back what it names, or make a bundle without the lock, from the list of images, to get a new one.",
        )
    return {entry: job.result() for entry, job in jobs.items()}


def _lock_problem(wanted: Wanted, job: concurrent.futures.Future[str]) -> str:
    if not wanted.digest:
        return ""
    error = job.exception()
    if isinstance(error, AirliftError):
        return f"{wanted.name} cannot be had ({error.problem})"
    if job.result() != wanted.digest:
        return f"{wanted.name} was {wanted.digest} at {wanted.source} and is {job.result()} now"
    return ""


def _platforms(value: t.Any, default: str, source: Source) -> tuple[str, ...]:
    platforms = value or [default]
    if not isinstance(platforms, list) or not (platforms == [ALL] or all(_is_platform(entry) for entry in platforms)):
        raise InputError(
            f"Platforms {json.dumps(platforms, default=str)} of image {source} cannot be used",
            "Give a list of platforms, each written as os/architecture or os/architecture/variant, or the list of the one word all.",
        )
    if platforms != [default] and source.transport not in MULTI_PLATFORM:
        raise InputError(
            f"Image {source} is wanted for {', '.join(platforms)}",
            "Its source has one platform only; leave platforms out.",
        )
    return tuple(dict.fromkeys(platforms))


def _is_platform(value: t.Any) -> bool:
    return isinstance(value, str) and len(value.split("/")) in (2, 3) and all(value.split("/"))


def _bundle_name(name: str | None, source: Source) -> str:
    text = name or (parse_place(source.location)[1].reference if source.transport in FILES else source.location)
    # In an image layout a name may be a tag alone.
    is_tag = not name and source.transport.startswith("oci") and ":" not in text
    if not text or "@" in text or is_digest(text) or is_tag:
        raise InputError(f"Image {source} has no name with a tag", "Give it one: a mapping with source and name.")
    return normalize(text)
