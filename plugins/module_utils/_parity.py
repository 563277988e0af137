# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Parity by par2(1) beside a bundle: C(NAME.par2) and C(NAME.vol*.par2), from which a lost or damaged part is rebuilt."""

from __future__ import annotations

import os
import re
import stat
import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils import _parts
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError, HostError
from ansible_collections.airlift.registry.plugins.module_utils._signature import Run

MAX_PERCENT = 100
PARITY_SUFFIX = ".par2"

# par2 multiplies every block with every block of parity. With some 200 blocks, parity of a quarter is made in minutes, not hours.
_BLOCKS = 200
_MEMORY = "-m64"  # MiB
# Threads that wait for each other by spinning make par2 a hundred times slower where other work is done too.
_PAR2 = ("env", "OMP_WAIT_POLICY=passive", "par2")
_REPAIRABLE, _NOT_REPAIRABLE = 1, 2  # exit codes of par2cmdline

_OVERHEAD = 68 + 24  # bytes of a block of parity besides its data, and of its share of the checksums
_HEADERS = 64 * 1024
_COPY_AGAIN = "Copy the bundle again from where it was made, or make it anew."
# A packet that describes a file: magic, its length, MD5, set, type, file ID, two MD5 and the file's length. The name follows.
_DESCRIPTION = re.compile(rb"PAR2\0PKT(.{8}).{32}PAR 2\.0\0FileDesc.{56}", re.DOTALL)
_MAX_NAME = 4096
_WINDOW = 2 * _MAX_NAME
_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Layout:
    """How much parity is made: the block's size in bytes, how many blocks, in how many files."""

    block: int
    count: int
    files: int

    def rebuilds(self, size: int) -> bool:
        """Whether a lost file of I(size) bytes can be rebuilt."""
        return self.count >= -(-size // self.block)


def plan_parity(sizes: t.Sequence[int], percent: int) -> Layout:
    """Parity of I(percent) for files of these sizes. Blocks fit the largest file, and no file of parity is larger than that."""
    largest = max(sizes)
    blocks = max(2, _BLOCKS // len(sizes))  # of the largest file; with one, a file of parity would be larger than that
    block = -(-largest // blocks // 4) * 4  # par2 wants multiples of 4
    total = sum(-(-size // block) for size in sizes)
    count = max(1, -(-total * percent // 100))
    room = largest - min(_HEADERS, largest // 2)
    return Layout(block, count, -(-count // max(1, room // (block + _OVERHEAD))))


def files_of(path: str) -> list[str]:
    """The names of the files of parity beside I(path), in order."""
    parent, name = os.path.split(path)
    # What par2 itself would read.
    pattern = re.compile(re.escape(name) + r"\.(.*\.)?par2", re.IGNORECASE)
    if not os.path.isdir(parent or "."):
        return []
    with os.scandir(parent or ".") as entries:
        return sorted(entry.name for entry in entries if pattern.fullmatch(entry.name))


def is_complete(path: str, layout: Layout) -> bool:
    """Whether all files of such parity are there in their sizes; their content is not looked at."""
    names = files_of(path)
    blocks = 0
    for match in filter(None, (re.search(r"\+([0-9]+)\.par2$", name) for name in names)):
        if os.path.getsize(os.path.join(os.path.dirname(path), match.string)) > int(match[1]) * layout.block:
            blocks += int(match[1])
    return f"{os.path.basename(path)}.par2" in names and blocks == layout.count


def create(path: str, names: t.Sequence[str], layout: Layout, run: Run) -> None:
    """Write parity for the named files beside I(path), which is absolute, as C(I(path).par2) and so on."""
    parent = os.path.dirname(path)
    numbers = [f"-s{layout.block}", f"-c{layout.count}", "-u", f"-n{layout.files}"]
    files = [os.path.join(parent, name) for name in names]
    code, err = _par2(["create", *numbers, "-B", parent, f"{path}.par2", *files], run)
    if code != 0:
        raise HostError(f"par2 could not make parity for {path}: {err}", "Make room there and run this again.")


def check_repair(path: str, run: Run) -> bool:
    """Whether there is something that a repair would rebuild; raises BundleError when the parity is not enough."""
    _check_files(path)
    code, err = _par2(["verify", "-B", os.path.dirname(path), f"{path}.par2"], run)
    return _is_repaired(path, code, err, _REPAIRABLE)


def repair(path: str, run: Run) -> None:
    """Rebuild what is lost or damaged; raises BundleError when the parity is not enough."""
    _check_files(path)
    parent = os.path.dirname(path)
    before = set(os.listdir(parent))
    code, err = _par2(["repair", "-B", parent, f"{path}.par2"], run)
    # par2 keeps what was damaged, as NAME.1 and so on.
    new = set(os.listdir(parent)) - before
    for name in _allowed(path, new, kept=True) - _allowed(path, new, kept=False):
        os.unlink(os.path.join(parent, name))
    _is_repaired(path, code, err, 0)


def _is_repaired(path: str, code: int, err: str, expected: int) -> bool:
    if code == _NOT_REPAIRABLE:
        raise BundleError(f"There is not enough parity beside {path} to rebuild what is lost or damaged", _COPY_AGAIN)
    if code not in (0, expected):
        raise BundleError(f"par2 could not rebuild {path}: {err}", _COPY_AGAIN)
    return code == expected


def _par2(arguments: t.Sequence[str], run: Run) -> tuple[int, str]:
    code, out, err = run([*_PAR2, arguments[0], "-q", "-q", _MEMORY, *arguments[1:]], None)
    if code == 127:
        raise HostError("par2 is not installed on the host that has the bundle", "Install the package par2.")
    lines = (err.strip() or out.strip()).splitlines()
    return code, lines[-1] if lines else f"it said nothing (exit code {code})"


def _allowed(path: str, names: t.Iterable[str], kept: bool) -> set[str]:
    """Those of the names that parity of this bundle may speak of; with I(kept) the names that par2 gives to what was damaged."""
    pattern = re.escape(os.path.basename(path)) + rf"(\.[0-9]{{3}}|{re.escape(_parts.SUMS_SUFFIX)})?"
    return {name for name in names if re.fullmatch(pattern + (r"\.[0-9]+" if kept else ""), name)}


def _check_files(path: str) -> None:
    """par2 writes the files that its packets name. They come from the medium, so they must name nothing but this bundle's."""
    names = files_of(path)
    if f"{os.path.basename(path)}.par2" not in names:
        raise BundleError(f"There is no parity beside {path}", _COPY_AGAIN)
    for name in {*names, *_allowed(path, os.listdir(os.path.dirname(path)), kept=False)}:
        _refuse_link(os.path.join(os.path.dirname(path), name))
    for name in names:
        file = os.path.join(os.path.dirname(path), name)
        described = set(_described(file))
        strange = described - _allowed(path, described, kept=False)
        if strange:
            raise BundleError(
                f"{file} is parity for {min(strange)[:200]!r}, which is no file of this bundle",
                "Don't use it; ask whoever made it for another copy.",
            )


def _refuse_link(file: str) -> None:
    if not stat.S_ISREG(os.lstat(file).st_mode):
        raise BundleError(f"{file} is a link or a special file", "Don't use it; ask whoever made it for another copy.")


def _described(file: str) -> t.Iterator[str]:
    """The names in all packets that describe a file, wherever they are (Parity Volume Set specification 2.0)."""
    data = b""
    with open(file, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            data = data[-_WINDOW:] + chunk
            for match in _DESCRIPTION.finditer(data):
                length = int.from_bytes(match[1], "little") - (match.end() - match.start())
                name = data[match.end() : match.end() + min(length, _MAX_NAME)]
                # One that may go on in the next chunk is found again there.
                if match.end() + _MAX_NAME <= len(data) or len(chunk) < _CHUNK:
                    yield name.rstrip(b"\0").decode(errors="replace")
