# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""In which form a bundle goes onto the medium: one tar, encrypted or not, as one file or in parts, with parity or without."""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils import _layout, _parity, _parts
from ansible_collections.airlift.registry.plugins.module_utils._encryption import check_recipients
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._medium import (
    ENCRYPTED_MAGIC,
    ENCRYPTED_SUFFIX,
    find_medium,
)

RECORD_SUFFIX = ".record"
RECORD_HEAD = b"airlift-record 1 "

_TAR_MAGIC = _layout.LAYOUT.encode() + b"\0"  # the first file of a bundle's tar
_PARITY_MAGIC = b"PAR2\0PKT"
_SUMS_LINE = rb"[0-9a-f]{64}  %s\n"


@dataclass(frozen=True)
class Form:
    """I(part_size) in bytes and I(parity) in percent, 0 for none; I(recipients) are public keys, none for a plain bundle."""

    part_size: int = 0
    parity: int = 0
    recipients: tuple[str, ...] = ()

    def base(self, path: str) -> str:
        """What all files of the bundle at I(path) begin with."""
        return path + ENCRYPTED_SUFFIX if self.recipients else path


PLAIN = Form()


def parse_form(path: str, part_size: str, parity: int, recipients: t.Sequence[str]) -> Form:
    """The form that the options want; raises InputError."""
    form = Form(_parts.parse_size(part_size) if part_size else 0, parity, tuple(key.strip() for key in recipients))
    if form != PLAIN and not path.endswith(".tar"):
        raise InputError(
            f"{path} would be a directory, which is never in parts, encrypted, or with parity",
            "Let the path end in .tar.",
        )
    if not 0 <= parity <= _parity.MAX_PERCENT:
        raise InputError(f"parity is {parity}", f"Give percent of the bundle's size, from 0 to {_parity.MAX_PERCENT}.")
    check_recipients(form.recipients)
    return form


def form_differences(path: str, form: Form) -> list[str]:
    """Why the bundle at I(path) is not in this form, or what is wrong with its parts; nothing when there is no bundle."""
    medium = find_medium(path)
    if medium is None:
        return []
    if medium.is_encrypted != bool(form.recipients):
        return ["it is encrypted" if medium.is_encrypted else "it is not encrypted"]
    if not form.part_size and medium.parts:
        return ["it is in parts"]
    sizes = medium.parts.sizes if medium.parts else (medium.size,)
    if form.part_size and not (medium.parts and _are_parts_of(sizes, form.part_size)):
        return [f"it is not in parts of {form.part_size} bytes"]
    if form.parity and not _parity.is_complete(medium.path, parity_layout(medium.path, form.parity)):
        return [f"it has no parity of {form.parity} percent, or not all of it"]
    return [error.problem for error in medium.problems()]


def parity_warnings(path: str, form: Form) -> list[str]:
    """What is to be known of the parity of the bundle that is there."""
    base = form.base(path)
    if not (form.parity and _parts.existing(base)):
        return []
    largest = os.path.getsize(_parts.part_name(base, 1))
    if parity_layout(base, form.parity).rebuilds(largest):
        return []
    return [f"parity={form.parity}: it mends damage, but cannot rebuild a part that is lost, which has {largest} bytes"]


def parity_files(base: str) -> list[str]:
    """The names of the files that parity protects: the file, or its parts and their list."""
    parts = _parts.existing(base)
    name = os.path.basename(base)
    return [*parts, name + _parts.SUMS_SUFFIX] if parts else [name]


def parity_layout(base: str, percent: int) -> _parity.Layout:
    """How much parity these files get."""
    parent = os.path.dirname(base)
    return _parity.plan_parity([os.path.getsize(os.path.join(parent, name)) for name in parity_files(base)], percent)


def files_of_bundle(path: str) -> list[str]:
    """The paths of all files beside I(path) that a bundle there consists of, in any form; not what others put beside it."""
    parent, name = os.path.split(path)
    ending = r"(\.age)?(\.[0-9]{3}|\.SHA256SUMS|(\.vol[0-9]+\+[0-9]+)?\.par2)?|\.age\.record"
    pattern = re.compile(f"{re.escape(name)}({ending})")
    if not os.path.isdir(parent or "."):
        return []
    names = sorted(found for found in os.listdir(parent or ".") if pattern.fullmatch(found))
    return [os.path.join(parent, found) for found in names if _is_mine(os.path.join(parent, found))]


def strangers(path: str, form: Form) -> list[str]:
    """The paths of files that a bundle at I(path) in this form would overwrite, and that are no files of a bundle."""
    base = form.base(path)
    wanted = {path, base}
    if form.part_size:
        parent = os.path.dirname(base)
        wanted |= {base + _parts.SUMS_SUFFIX, *(os.path.join(parent, name) for name in _parts.existing(base))}
    if form.parity:
        wanted.add(base + _parity.PARITY_SUFFIX)
    return sorted(file for file in wanted - set(files_of_bundle(path)) if os.path.lexists(file))


def _are_parts_of(sizes: t.Sequence[int], size: int) -> bool:
    return all(found == size for found in sizes[:-1]) and sizes[-1] <= size


def _is_mine(file: str) -> bool:
    """Whether a file that is called like one of a bundle is one. Of parts, the first tells, or that they are listed."""
    if not os.path.isfile(file):
        return False
    with open(file, "rb") as stream:
        head = stream.read(512)
    if file.endswith(_parts.SUMS_SUFFIX):
        first = _parts.part_name(os.path.basename(file)[: -len(_parts.SUMS_SUFFIX)], 1)
        return re.match(_SUMS_LINE % re.escape(first).encode(), head) is not None
    if file.endswith(_parity.PARITY_SUFFIX):
        return head.startswith(_PARITY_MAGIC)
    if file.endswith(RECORD_SUFFIX):
        return head.startswith(RECORD_HEAD)
    match = re.fullmatch(r"(.+)\.(?!001)[0-9]{3}", file)
    if match:
        first, sums = _parts.part_name(match[1], 1), match[1] + _parts.SUMS_SUFFIX
        return any(os.path.isfile(other) and _is_mine(other) for other in (first, sums))
    return head.startswith((_TAR_MAGIC, ENCRYPTED_MAGIC))
