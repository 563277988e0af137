# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Which images a bundle shall have: those of the list, of a lock, and of files that name images, each name once."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._choice import ALL
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._image_fields import compose_images, kubernetes_images
from ansible_collections.airlift.registry.plugins.module_utils._lock import Lock, LockedImage, read_lock
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed
from ansible_collections.airlift.registry.plugins.module_utils._reference import Source, parse_reference, parse_source
from ansible_collections.airlift.registry.plugins.module_utils._source import (
    Wanted,
    check_names,
    parse_list,
    parse_wanted,
)


def wanted_images(
    params: t.Mapping[str, t.Any], has_others: bool = False
) -> tuple[list[Wanted], tuple[LockedImage, ...]]:
    """The images that the module's options ask for, and what the lock says of those that are from it; raises InputError.

    There must be some, unless the bundle I(has_others), which come from elsewhere.

    An image of a file that the list or the lock has, under its name or from its source, is that of the list or the lock.
    """
    lock = _read_lock(params["lock"])
    chosen = [*parse_list(params["images"], params["platform"]), *from_lock(lock.images)]
    check_names(chosen)
    names, sources = {entry.name for entry in chosen}, {str(entry.source) for entry in chosen}
    found = [
        _of_reference(text, params["file_transport"], params["platform"], sources)
        for text in _references(params["compose_files"], params["compose_variables"], params["kubernetes_files"])
    ]
    more = [entry for entry in dict.fromkeys(found) if entry and entry.name not in names]
    check_names(more)
    if not chosen and not more and not has_others:
        raise InputError("There are no images for the bundle", "Set images, lock, compose_files or kubernetes_files.")
    return [*chosen, *more], lock.images


def from_lock(images: t.Sequence[LockedImage]) -> list[Wanted]:
    """The images of a lock, from the sources and with the digests that it names."""
    named: dict[str, list[LockedImage]] = {}
    for image in images:
        named.setdefault(image.name, []).append(image)
    return [
        Wanted(name, parse_source(entries[0].source), _platforms(entries), entries[0].source_id)
        for name, entries in named.items()
    ]


def check_locked(locked: t.Sequence[LockedImage], packed: t.Sequence[Packed]) -> None:
    """Raise InputError, with the list of what differs, unless the images are exactly those of the lock."""
    found = {(entry.image.name, entry.image.platform): entry.image for entry in packed}
    problems = []
    for entry in locked:
        image = found.get((entry.name, entry.platform))
        if image is None:
            problems.append(f"{entry.name} for {entry.platform} is not at {entry.source} any more")
        elif (image.manifest.digest, image.config.digest) != (entry.digest, entry.config):
            problems.append(f"{entry.name} for {entry.platform} was {entry.digest} and is {image.manifest.digest} now")
        elif entry.index != (image.index.digest if image.index else ""):
            problems.append(f"The index of {entry.name} is not {entry.index} any more")
    if problems:
        raise InputError(
            f"The lock cannot be followed: {'; '.join(problems)}",
            "Make a bundle without the lock, from the list of images, to get a new one.",
        )


def _read_lock(path: str) -> Lock:
    if path and not os.path.isfile(path):
        raise InputError(
            f"There is no lock at {path}", "Check the path; it is looked for on the host that runs Ansible."
        )
    return read_lock(path) if path else Lock("")


def _platforms(entries: t.Sequence[LockedImage]) -> tuple[str, ...]:
    if entries[0].index and entries[0].index == entries[0].source_id:
        return (ALL,)
    return tuple(entry.platform for entry in entries)


def _references(compose: t.Sequence[str], variables: t.Mapping[str, t.Any], kubernetes: t.Sequence[str]) -> list[str]:
    texts = {name: str(value) for name, value in variables.items()}
    found = [image for path in compose for image in compose_images(path, texts)]
    found += [image for path in kubernetes for image in kubernetes_images(path)]
    return list(dict.fromkeys(found))


def _of_reference(text: str, transport: str, platform: str, sources: t.Collection[str]) -> Wanted | None:
    """What an C(image:) field wants, unless it is among the sources: by digest if it has one, under the name with the tag."""
    reference = parse_reference(text)
    location = f"{reference.repository}@{reference.digest}" if reference.digest else str(reference)
    source = str(Source(transport, location))
    if source in sources:
        return None
    name = {"name": f"{reference.repository}:{reference.tag}"} if reference.tag else {}
    return parse_wanted({"source": source, **name}, platform)
