# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tars made byte by byte, with everything in them that a library would not write."""

from __future__ import annotations

import typing as t

BLOCK = 512
END = bytes(2 * BLOCK)


def member(
    name: bytes, content: bytes = b"", kind: bytes = b"0", link: bytes = b"", size: bytes | None = None
) -> bytes:
    """A member. I(size) is its size field of 12 bytes, by default the truth."""
    return header(name, len(content), kind, link, size) + content + bytes(-len(content) % BLOCK)


def header(name: bytes, length: int, kind: bytes = b"0", link: bytes = b"", size: bytes | None = None) -> bytes:
    block = bytearray(BLOCK)
    block[0:100] = name[:100].ljust(100, b"\0")
    block[100:124] = b"0000644\0" + b"0000000\0" * 2
    block[124:136] = size if size is not None else b"%011o\0" % length
    block[136:148] = b"00000000000\0"
    block[156:157] = kind
    block[157:257] = link[:100].ljust(100, b"\0")
    block[257:265] = b"ustar\00000" if kind in b"xg" else b"ustar  \0"
    return sealed(bytes(block))


def sealed(block: bytes) -> bytes:
    """A header with its checksum."""
    return block[:148] + b"%06o\0 " % sum(block[:148] + b" " * 8 + block[156:]) + block[156:]


def base_256(number: int) -> bytes:
    """A size field as GNU tar writes large and negative numbers."""
    if number < 0:
        return b"\xff" + (number + (1 << 88)).to_bytes(11, "big")
    return b"\x80" + number.to_bytes(11, "big")


def pax(records: t.Mapping[bytes, bytes], kind: bytes = b"x") -> bytes:
    """An extended header for the next member (or for all that follow: kind C(g))."""
    return member(b"./PaxHeaders/x", b"".join(map(_record, records.items())), kind)


def _record(item: tuple[bytes, bytes]) -> bytes:
    body = b" %s=%s\n" % item
    length = len(body) + 1
    while len(b"%d" % length) + len(body) != length:
        length = len(b"%d" % length) + len(body)
    return b"%d" % length + body
