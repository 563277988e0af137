# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Which image of several is meant: by reference, by digest or by number. Text in, plain data out.

The syntax for files is skopeo's, C(PATH), C(PATH:REFERENCE) and C(PATH:@NUMBER), and for digests C(PATH:sha256:HEX).
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._reference import is_digest, normalize

T = t.TypeVar("T")


@dataclass(frozen=True)
class Pick:
    """What was asked for; of what is empty nothing was asked. C(number) counts from 0."""

    reference: str = ""
    digest: str = ""
    number: int | None = None

    def __str__(self) -> str:
        return self.reference or self.digest or ("" if self.number is None else f"@{self.number}")


@dataclass(frozen=True)
class Candidate(t.Generic[T]):
    """One of several images: the names and digests that it goes by."""

    item: T
    names: t.Sequence[str]
    digests: t.Sequence[str]


def parse_place(location: str) -> tuple[str, Pick]:
    """The path in the location of a file's source, and which image in it is meant; raises InputError."""
    path, _colon, text = location.partition(":")
    if is_digest(text):
        return path, Pick(digest=text)
    if not text.startswith("@"):
        return path, Pick(reference=text)
    if not text[1:].isdecimal():
        raise InputError(
            f"{text!r} after {path} is no number of an image", "Write PATH:@0 for the first image in a file."
        )
    return path, Pick(number=int(text[1:]))


def choose_one(candidates: t.Sequence[Candidate[T]], pick: Pick, what: str) -> T:
    """The one that is meant, which is the only one when nothing was asked for; raises InputError when there is none."""
    found = [entry for number, entry in enumerate(candidates) if _is_meant(entry, number, pick)]
    if found:
        return found[0].item
    if pick == Pick() and len(candidates) == 1:
        return candidates[0].item
    names = sorted({name for entry in candidates for name in entry.names})
    there = f"It has {', '.join(names)}" if names else f"It has {len(candidates)} images without names"
    raise InputError(
        f"{what} has no image {pick}" if str(pick) else f"{what} has {len(candidates)} images, and none was chosen",
        f"{there}. Write PATH:REFERENCE, PATH:@NUMBER (from 0) or PATH:sha256:DIGEST.",
    )


def _is_meant(candidate: Candidate[t.Any], number: int, pick: Pick) -> bool:
    if pick.reference and _spellings(pick.reference) & {text for name in candidate.names for text in _spellings(name)}:
        return True
    return pick.number == number or pick.digest in candidate.digests


def _spellings(name: str) -> set[str]:
    """A name as it is, and in full when it is a reference; image layouts may have any text as a name."""
    try:
        return {name, normalize(name)}
    except InputError:
        return {name}
