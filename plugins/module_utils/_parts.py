# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""A file in parts for the medium: C(NAME.001), C(NAME.002), ... and C(NAME.SHA256SUMS), one line per part.

C(sha256sum -c NAME.SHA256SUMS) checks each part alone, and C(cat NAME.[0-9]*) joins them. Here they are joined on the fly.
The list is not signed: it finds what went wrong on the way. What is inside has its signature, as it has without parts.
"""

from __future__ import annotations

import bisect
import concurrent.futures
import hashlib
import io
import itertools
import os
import re
import stat
import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError, InputError

SUMS_SUFFIX = ".SHA256SUMS"
MAX_PARTS = 999

_MAX_SUMS = 1024 * 1024
_CHUNK = 1024 * 1024
_MEDIA = {
    "fat32": (1 << 32) - 1,  # the largest file of that file system
    "dvd": 4480 << 20,  # a single layer (4 700 372 992 bytes) with room for its file system
}
_UNITS = {"": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS.update({"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40})
_SIZE = re.compile(r"([0-9]{1,15}) ?([A-Za-z]*)(?:-([0-9]{1,15}))?")
_SUM_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_AGAIN = "Copy that file again from where the bundle was made, or rebuild it with bundle_verify and repair, if there is parity."


def parse_size(text: str) -> int:
    """The bytes of a part: C(fat32), C(dvd), or a number with a unit, as C(700MiB) or C(4GiB-1); raises InputError."""
    match = _SIZE.fullmatch(text)
    size = _MEDIA.get(text, 0)
    if match and match[2] in _UNITS:
        size = int(match[1]) * _UNITS[match[2]] - int(match[3] or 0)
    if size < 1:
        raise InputError(
            f"{text!r} is no size of a part",
            f"Write {', '.join(sorted(_MEDIA))}, or bytes with a unit ({', '.join(filter(None, _UNITS))}), for example 700MiB or 4GiB-1.",
        )
    return size


def part_name(name: str, number: int) -> str:
    """What part I(number) of a file is called; the first is 1."""
    return f"{name}.{number:03}"


def existing(path: str) -> list[str]:
    """The names of all files beside I(path) that are called like its parts, in order."""
    parent, name = os.path.split(path)
    pattern = re.compile(re.escape(name) + r"\.[0-9]{3}")
    if not os.path.isdir(parent or "."):
        return []
    with os.scandir(parent or ".") as entries:
        return sorted(entry.name for entry in entries if pattern.fullmatch(entry.name))


@dataclass(frozen=True)
class Parts:
    """The parts of the file I(path), which need not exist itself: their paths and sizes in order, and the listed digests."""

    path: str
    paths: tuple[str, ...]
    sizes: tuple[int, ...]
    digests: tuple[str, ...]

    def open(self) -> t.BinaryIO:
        """All parts as one seekable file."""
        return io.BufferedReader(_Joined(self))

    def problems(self) -> list[BundleError]:
        """What is wrong with the content of the parts: all of it is read, on all cores."""
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            found = list(pool.map(digest_file, self.paths))
        return [
            BundleError(self._what_happened(path, digest), _AGAIN)
            for path, digest, listed in zip(self.paths, found, self.digests)
            if digest != listed
        ]

    def _what_happened(self, path: str, digest: str) -> str:
        if digest in self.digests:
            other = os.path.basename(self.paths[self.digests.index(digest)])
            return f"Part {path} was swapped: it holds what belongs into {other}"
        return f"Part {path} is damaged, or is of another bundle: its sha256 is not the one in {os.path.basename(self.path)}{SUMS_SUFFIX}"


def find_parts(path: str) -> Parts | None:
    """The parts of I(path), None when there are none; raises BundleError that names each part that is lost or does not fit.

    Only names and sizes are looked at, so this takes no time. For the content see Parts.problems.
    """
    sums, present = path + SUMS_SUFFIX, existing(path)
    if not os.path.lexists(sums):
        if not present:
            return None
        name = os.path.basename(path)
        raise BundleError(
            f"Bundle {path} is in parts, and the list of them, {sums}, is missing",
            f"Copy it again from where the bundle was made. Without it: cat {name}.[0-9]* > {name}",
        )
    listed = _read_sums(path)
    problems = _missing_and_surplus(path, listed, present)
    sizes = [_size(os.path.join(os.path.dirname(path), name), problems) for name in listed if name in present]
    if not problems:
        problems = _cut_short(path, list(listed), sizes)
    if problems:
        raise BundleError(". ".join(problems), _AGAIN)
    paths = tuple(os.path.join(os.path.dirname(path), name) for name in listed)
    return Parts(path, paths, tuple(sizes), tuple(listed.values()))


class PartWriter(io.RawIOBase):
    """A file that is written as parts of I(size) bytes, at I(path).001 and so on. Raises InputError when they get too many."""

    def __init__(self, path: str, size: int) -> None:
        super().__init__()
        self._path = path
        self._size = size
        self._position = 0
        self._part: t.BinaryIO | None = None
        self._checksum = hashlib.sha256()
        self.digests: list[str] = []

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, data: t.Any) -> int:
        view = memoryview(data).cast("B")
        written = 0
        while written < len(view):
            part = self._part or self._next()
            piece = view[written : written + self._size - part.tell()]
            self._checksum.update(piece)
            part.write(piece)
            written += len(piece)
            if part.tell() == self._size:
                self._finish_part()
        self._position += written
        return written

    def close(self) -> None:
        if self._part:
            self._finish_part()
        super().close()

    def write_sums(self) -> None:
        """Write the list of the parts as sha256sum(1) does, when all are written."""
        name = os.path.basename(self._path)
        lines = [f"{digest}  {part_name(name, number)}\n" for number, digest in enumerate(self.digests, 1)]
        with open(self._path + SUMS_SUFFIX, "w", encoding="utf-8") as target:
            target.write("".join(lines))
            target.flush()
            os.fsync(target.fileno())

    def _next(self) -> t.BinaryIO:
        number = len(self.digests) + 1
        if number > MAX_PARTS:
            raise InputError(
                f"{self._path} would have more than {MAX_PARTS} parts of {self._size} bytes", "Make the parts larger."
            )
        self._checksum = hashlib.sha256()
        self._part = open(part_name(self._path, number), "wb")  # noqa: SIM115 - _finish_part closes it
        return self._part

    def _finish_part(self) -> None:
        if self._part:
            with self._part as part:
                self._part = None
                part.flush()
                os.fsync(part.fileno())
            self.digests.append(self._checksum.hexdigest())


class _Joined(io.RawIOBase):
    """Parts as one file. One of them is open at a time."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self._parts = parts
        self._ends = list(itertools.accumulate(parts.sizes))
        self._position = 0
        self._number = -1
        self._part: t.BinaryIO | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._ends[-1]}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: t.Any) -> int:
        number = bisect.bisect_right(self._ends, self._position)
        if number == len(self._ends):
            return 0
        stream = self._open(number)
        stream.seek(self._position - self._ends[number] + self._parts.sizes[number])
        view = memoryview(buffer)[: self._ends[number] - self._position]
        count = t.cast(io.FileIO, stream).readinto(view)
        if not count:
            raise BundleError(f"Part {self._parts.paths[number]} got shorter while it was read", _AGAIN)
        self._position += count
        return count

    def close(self) -> None:
        if self._part:
            self._part.close()
        super().close()

    def _open(self, number: int) -> t.BinaryIO:
        if self._part is None or self._number != number:
            if self._part:
                self._part.close()
            self._part, self._number = _open_regular(self._parts.paths[number]), number
        return self._part


def _read_sums(path: str) -> dict[str, str]:
    """The digests of the parts that the list names, by name, in order; raises BundleError when it is no such list."""
    name = os.path.basename(path)
    with _open_regular(path + SUMS_SUFFIX) as stream:
        lines = stream.read(_MAX_SUMS + 1)[:_MAX_SUMS].decode(errors="replace").splitlines()
    listed: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        match = _SUM_LINE.fullmatch(line)
        if number > MAX_PARTS or not match or match[2] != part_name(name, number):
            raise BundleError(
                f"Line {number} of {path}{SUMS_SUFFIX} is not the checksum of {part_name(name, number)}: {line[:200]!r}",
                "Give the parts their own names back if they were renamed. " + _AGAIN,
            )
        listed[match[2]] = match[1]
    if not listed:
        raise BundleError(f"{path}{SUMS_SUFFIX} lists no parts", _AGAIN)
    return listed


def _missing_and_surplus(path: str, listed: t.Mapping[str, str], present: t.Sequence[str]) -> list[str]:
    missing = [f"Part {name} of {len(listed)} of bundle {path} is missing" for name in listed if name not in present]
    return missing + [
        f"{name} beside bundle {path} is not in its list of {len(listed)} parts"
        for name in present
        if name not in listed
    ]


def _size(path: str, problems: list[str]) -> int:
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode):
        problems.append(f"Part {path} is a link or a special file")
    return status.st_size


def _cut_short(path: str, names: t.Sequence[str], sizes: t.Sequence[int]) -> list[str]:
    """All parts but the last have one size."""
    whole = max(sizes)
    return [
        f"Part {name} of bundle {path} is cut short: it has {size} bytes, and the others have {whole}"
        for number, (name, size) in enumerate(zip(names, sizes), 1)
        if size < whole and (number < len(sizes) or not size)
    ]


def _open_regular(path: str) -> t.BinaryIO:
    """A file that is one itself: no link to somewhere else, nothing that would block."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise BundleError(f"{path} is a link or a special file", "Don't use it; ask whoever made it for another copy.")
    return open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb", buffering=0)  # the caller closes it


def digest_file(path: str) -> str:
    """The sha256 of a regular file, as 64 hexadecimal digits."""
    checksum = hashlib.sha256()
    with _open_regular(path) as stream:
        while chunk := stream.read(_CHUNK):
            checksum.update(chunk)
    return checksum.hexdigest()
