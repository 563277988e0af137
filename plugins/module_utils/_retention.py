# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Retention: which names and images of an engine go, and why each of the others stays. Plain data in, plain data out.

An image stays with all its names when it is in use or on its way; else each of its names is looked at by itself.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from datetime import datetime, timezone
from fnmatch import fnmatchcase

from ansible_collections.airlift.registry.plugins.module_utils._drift import Locked, is_image
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._local_images import (
    Image,
    bytes_of,
    chain_users,
    layer_sizes,
    names_of,
    used_by,
)
from ansible_collections.airlift.registry.plugins.module_utils._plan import is_temporary
from ansible_collections.airlift.registry.plugins.module_utils._reference import familiar, repository_of

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_AGE = re.compile(r"([0-9]{1,9})([smhdw]?)")
_NEVER = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class Rules:
    """What is kept. I(keep) and I(repositories) are globs on full or short names, I(min_age) is in seconds.

    No named image goes unless one of I(locked), I(keep), I(keep_versions) and I(repositories) is given.
    """

    locked: tuple[Locked, ...] = ()
    keep: tuple[str, ...] = ()
    keep_versions: int | None = None
    repositories: tuple[str, ...] = ()
    dangling: bool = False
    min_age: int = 0

    @property
    def is_selective(self) -> bool:
        """Whether any named image may go at all."""
        return bool(self.locked or self.keep or self.repositories or self.keep_versions is not None)


def parse_age(text: str) -> int:
    """Seconds, of a number with a unit (C(s), C(m), C(h), C(d), C(w)) or without one; raises InputError."""
    found = _AGE.fullmatch(text)
    if not found:
        raise InputError(
            f"min_age {text!r} is no age", "Write a number of seconds, or one with s, m, h, d or w, as in 7d."
        )
    return int(found[1]) * _UNITS[found[2]]


def decide(
    images: t.Sequence[Image], containers: t.Sequence[t.Mapping[str, str]], rules: Rules, now: datetime
) -> list[dict[str, t.Any]]:
    """Each image as outcome() has it, with an action and a reason for each of its names."""
    state = _State(rules, containers, _newest(images, rules), now)
    return [outcome(image, [state.decide(name, image) for name in handles(image)]) for image in images]


def handles(image: Image) -> list[str]:
    """What an engine is asked to remove: the names of an image, or its ID when it has none."""
    return names_of(image) or [image["id"]]


def outcome(image: Image, names: t.Sequence[t.Mapping[str, str]]) -> dict[str, t.Any]:
    """What becomes of an image: C(keep), C(remove), or C(untag) when only some of its names go, and the reason; and of each of its names."""
    staying = [name for name in names if name["action"] == "keep"]
    action = "remove" if not staying else "keep" if len(staying) == len(names) else "untag"
    reason = (staying or names)[0]["reason"]
    return {"id": image["id"], "created": image["created"], "action": action, "reason": reason, "names": list(names)}


def freed(images: t.Sequence[Image], gone: t.Container[str]) -> int | None:
    """Bytes of the unpacked layers that no other image has, when the images of these IDs go; None when the engine leaves one open."""
    chains = (chain for chain, users in chain_users(images).items() if all(user["id"] in gone for user in users))
    return bytes_of(chains, layer_sizes(images))


@dataclass(frozen=True)
class _State:
    """What decides about a name."""

    rules: Rules
    containers: t.Sequence[t.Mapping[str, str]]
    newest: t.Mapping[str, t.Container[str]]  # image IDs by repository
    now: datetime

    def decide(self, name: str, image: Image) -> dict[str, str]:
        why_named = self._why_named if names_of(image) else self._why_nameless
        reason = self._why_whole(image) or why_named(name, image)
        return {
            "name": name,
            "action": "keep" if reason else "remove",
            "reason": reason or self._why_not(bool(names_of(image))),
        }

    def _why_whole(self, image: Image) -> str:
        """Why the image stays with all its names, whatever they are; empty when each is looked at by itself."""
        users = used_by(image, self.containers)
        if users:
            return f"container {users[0]['name']} uses it ({users[0]['state']})"
        if any(map(is_temporary, image["tags"])):
            return "a preload is under way"
        if (self.now - max(_time(image["created"]), _time(image["tagged"]))).total_seconds() < self.rules.min_age:
            return "it is younger than min_age"
        meant = [entry for entry in self.rules.locked if is_image(entry, image)]
        if meant and not any(entry["name"] in names_of(image) for entry in meant):
            return f"{meant[0]['lock']} has this image, as {meant[0]['name']}"
        return ""

    def _why_nameless(self, _name: str, _image: Image) -> str:
        return "" if self.rules.dangling else "it has no name, and dangling is not set"

    def _why_named(self, name: str, image: Image) -> str:
        rules, repository = self.rules, repository_of(name)
        if not rules.is_selective:
            return "nothing was said about images that have names"
        if rules.repositories and not _matches(repository, rules.repositories):
            return "its repository is not selected"
        lock = next((entry["lock"] for entry in rules.locked if entry["name"] == name), "")
        if lock:
            return f"{lock} names it"
        if _matches(name, rules.keep):
            return "keep has a pattern for it"
        if image["id"] in self.newest.get(repository, ()):
            return f"it is one of the newest {rules.keep_versions} of its repository"
        return ""

    def _why_not(self, named: bool) -> str:
        """Why nothing keeps it: all that could have."""
        reasons = {
            "it has no name": not named,
            "no lock names it": named and self.rules.locked,
            "keep has no pattern for it": named and self.rules.keep,
            "it is not among the newest of its repository": named and self.rules.keep_versions is not None,
            "no container uses it": True,
        }
        return ", ".join(reason for reason, applies in reasons.items() if applies)


def _newest(images: t.Sequence[Image], rules: Rules) -> dict[str, set[str]]:
    """The IDs of the newest images by repository. Several tags of an image are one version."""
    repositories: dict[str, dict[str, tuple[t.Any, ...]]] = {}
    for image in images:
        for name in filter(lambda name: not is_temporary(name), names_of(image)):
            versions = repositories.setdefault(repository_of(name), {})
            versions[image["id"]] = max(_age_key(name, image), versions.get(image["id"], (_NEVER,)))
    return {
        repository: set(sorted(versions, key=versions.__getitem__, reverse=True)[: rules.keep_versions or 0])
        for repository, versions in repositories.items()
    }


def _age_key(name: str, image: Image) -> tuple[t.Any, ...]:
    """By date. Of images with the same date, as reproducible builds make them, by tag, whose numbers count as numbers."""
    pieces = re.split(r"([0-9]+)", name.rpartition(":")[2])  # text and numbers take turns
    return _time(image["created"]), [int(piece) if piece.isdecimal() else piece for piece in pieces]


def _time(text: str) -> datetime:
    """RFC 3339 to the second, which is all that Python 3.9 reads of it. No date is the oldest."""
    found = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    if not found:
        return _NEVER
    return datetime.fromisoformat(found[1] + found[2].replace("Z", "+00:00"))


def _matches(name: str, patterns: t.Iterable[str]) -> bool:
    return any(fnmatchcase(form, pattern) for pattern in patterns for form in (name, familiar(name)))
