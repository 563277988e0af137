# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The lock, C(bundle.lock.yml): which reference is which digest, for people, for git, and for whoever makes the next bundle.

It is YAML of the plainest kind, so that it is read without a YAML library: C(key: JSON) lines, and sections whose items are
blocks of such lines or one JSON object per line. What was not written by format_lock is refused.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError
from ansible_collections.airlift.registry.plugins.module_utils._oci import canonical_json, digest_of
from ansible_collections.airlift.registry.plugins.module_utils._reference import is_digest

VERSION = 1
MAX_LOCK = 8 * 1024 * 1024
_MAX_LINE = 64 * 1024
_FIRST = b"version: "


@dataclass(frozen=True)
class LockedBase:
    """A bundle that has what this one left out. C(id) is the digest of its lock."""

    id: str
    name: str


@dataclass(frozen=True)
class LockedImage:
    """One platform of one name. C(size) is in bytes, of all its blobs; C(index) is empty when the name means the manifest."""

    name: str
    platform: str
    digest: str
    config: str
    size: int
    created: str
    source: str
    source_id: str
    index: str = ""


@dataclass(frozen=True)
class LockedBlob:
    """A layer, each once. C(base) is the ID of the bundle that has it when this one has not.

    C(compression) is empty for gzip, which nearly all layers have, else C(zstd) or C(none).
    """

    digest: str
    diff_id: str
    size: int
    base: str = ""
    compression: str = ""


@dataclass(frozen=True)
class LockedOption:
    """An option of the bundle module that was not the default and changes what is made."""

    name: str
    value: str


@dataclass(frozen=True)
class LockedReferrer:
    """A manifest about I(subject), such as a signature. C(name) is its full reference when cosign's tag leads to it."""

    digest: str
    subject: str
    type: str
    name: str = ""


@dataclass(frozen=True)
class Lock:
    """What a bundle consists of."""

    created: str
    images: tuple[LockedImage, ...] = ()
    blobs: tuple[LockedBlob, ...] = ()
    bases: tuple[LockedBase, ...] = ()
    options: tuple[LockedOption, ...] = ()
    referrers: tuple[LockedReferrer, ...] = ()


Entry = t.Union[LockedOption, LockedBase, LockedImage, LockedBlob, LockedReferrer]
# In the order of the file. An image takes a block of lines, so that a change of one value is one line for git.
_SECTIONS: tuple[tuple[str, type[Entry], bool], ...] = (
    ("options", LockedOption, False),
    ("bases", LockedBase, False),
    ("images", LockedImage, True),
    ("blobs", LockedBlob, False),
    ("referrers", LockedReferrer, False),
)
_KEYS = {field.name for _section, kind, _is_block in _SECTIONS for field in dataclasses.fields(kind)}
_DIGESTS = ("id", "digest", "index", "config", "diff_id", "base", "subject")


def bundle_id(lock: bytes) -> str:
    """The ID of the bundle that has this lock: everything in the bundle follows from it but the signature and the deltas."""
    return digest_of(lock)


def entry_data(entry: Entry) -> dict[str, t.Any]:
    """An entry as plain data, without what it has not."""
    optional = {field.name for field in dataclasses.fields(entry) if field.default == ""}
    return {key: value for key, value in dataclasses.asdict(entry).items() if value or key not in optional}


def format_lock(lock: Lock) -> bytes:
    """The lock as YAML. Every value is a number or a quoted string, which JSON and YAML write alike."""
    lines = [f"version: {VERSION}", f"created: {_json(lock.created)}"]
    for section, _kind, is_block in _SECTIONS:
        entries = getattr(lock, section)
        if entries or is_block:
            lines.append(f"{section}:")
        for entry in entries:
            lines += _block(entry_data(entry)) if is_block else [f"  - {_json(entry_data(entry))}"]
    return ("\n".join(lines) + "\n").encode()


def parse_lock(data: bytes) -> Lock:
    """Read what format_lock wrote, and nothing else; raises BundleError."""
    try:
        lines = (line.decode().removesuffix("\n") for line in io.BytesIO(data))
        version = next(lines, "")[:80]
        if version != f"version: {VERSION}":
            raise ValueError(version)
        lock = Lock(_value(next(lines, ""), "created"), **_sections(lines))
        _check_bases(lock)
        # One lock has one spelling, because its digest is the bundle's ID.
        if format_lock(lock) != data:
            raise ValueError("it is written in another way")
        return lock
    except (LookupError, ValueError, TypeError, RecursionError) as error:
        raise BundleError(f"bundle.lock.yml is none of version {VERSION} ({error})", "Make the bundle anew.") from error


def is_lock(path: str) -> bool:
    """Whether I(path) is a lock file, and not a bundle."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as stream:
        return stream.read(len(_FIRST)) == _FIRST


def read_lock(path: str) -> Lock:
    """The lock in a file of its own; raises BundleError."""
    return parse_lock(lock_bytes(path))


def lock_bytes(path: str) -> bytes:
    """The content of a lock file, from which the ID of its bundle follows; raises BundleError when it is too large for one."""
    with open(path, "rb") as stream:
        data = stream.read(MAX_LOCK + 1)
    if len(data) > MAX_LOCK:
        raise BundleError(f"{path} is larger than {MAX_LOCK} bytes", "Give the bundle.lock.yml of a bundle.")
    return data


def _check_bases(lock: Lock) -> None:
    """Whatever was left out is in a bundle that the lock names."""
    for base in {blob.base for blob in lock.blobs if blob.base} - {base.id for base in lock.bases}:
        raise ValueError(f"it does not name the base {base}")


def _json(value: t.Any) -> str:
    return canonical_json(value).decode()


def _block(values: t.Mapping[str, t.Any]) -> list[str]:
    lines = [f"{key}: {_json(value)}" for key, value in values.items()]
    return [f"  - {lines[0]}", *(f"    {line}" for line in lines[1:])]


def _value(line: str, key: str) -> str:
    found, value = _pair(line)
    if found != key or not isinstance(value, str):
        raise ValueError(line[:80])
    return value


def _pair(line: str) -> tuple[str, t.Any]:
    key, value = line.split(": ", 1)
    return key, json.loads(value)


def _sections(lines: t.Iterable[str]) -> dict[str, tuple[t.Any, ...]]:
    kinds = {section: kind for section, kind, _is_block in _SECTIONS}
    sections: dict[str, list[dict[str, t.Any]]] = {}
    items: list[dict[str, t.Any]] = []
    for line in lines:
        if len(line) > _MAX_LINE:
            raise ValueError(line[:80])
        if line.endswith(":") and line[:-1] in kinds:
            items = sections.setdefault(line[:-1], [])
        elif line.startswith("  - {"):
            items.append(_flat(json.loads(line[4:])))
        elif line.startswith("  - "):
            items.append(_flat([_pair(line[4:])]))
        elif line.startswith("    ") and items:
            items[-1].update(_flat([_pair(line[4:])]))
        else:
            raise ValueError(line[:80])
    return {section: tuple(kinds[section](**item) for item in found) for section, found in sections.items()}


def _flat(item: t.Any) -> dict[str, t.Any]:
    """Some values of an entry, if they have their types, and the digests are digests. What is wrong does not stay in memory."""
    found = dict(item)
    if not found or not found.keys() <= _KEYS:
        raise ValueError(str(item)[:80])
    for key, value in found.items():
        if not (_is_size(value) if key == "size" else _is_text(value, key in _DIGESTS)):
            raise ValueError(f"{key}: {value!r}"[:80])
    return found


def _is_size(value: t.Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value: t.Any, as_digest: bool) -> bool:
    return isinstance(value, str) and (not as_digest or is_digest(value))
