# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP/2 by hand: requests that no honest client can make."""

from __future__ import annotations

import ssl
import struct
import typing as t

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, END_HEADERS = 1, 4
# Statuses that have a number of their own in HPACK's static table (RFC 7541, appendix A).
_INDEXED = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}
Fields = t.Sequence[tuple[bytes, bytes]]


class Answer(t.NamedTuple):
    """C(status) is 0 when the stream or the connection was refused; C(received) is all that came."""

    status: int
    received: bytes


def ask(connection: ssl.SSLSocket, fields: Fields, body: bytes = b"") -> Answer:
    """One request on stream 1, its fields exactly as given, on a connection that has agreed on h2."""
    block = b"".join(b"\x10" + _text(name) + _text(value) for name, value in fields)
    flags = END_HEADERS | (0 if body else END_STREAM)
    sent = PREFACE + _frame(SETTINGS, 0, 0, b"") + _frame(HEADERS, flags, 1, block)
    connection.sendall(sent + (_frame(DATA, END_STREAM, 1, body) if body else b""))
    return _answer(connection)


def _answer(connection: ssl.SSLSocket) -> Answer:
    status, received = 0, b""
    with connection, connection.makefile("rb") as stream:
        while head := stream.read(9):
            size, kind, flags, number = struct.unpack(">I", b"\0" + head[:3])[0], head[3], head[4], head[5:9]
            payload = stream.read(size)
            received += payload
            if kind == HEADERS:
                status = _status(payload)
            if kind in (RESET, GOAWAY) or (number == b"\0\0\0\1" and kind in (DATA, HEADERS) and flags & END_STREAM):
                break
    return Answer(status, received)


def _status(block: bytes) -> int:
    """The first field of an answer is its status, as a number of the table or as text."""
    while block[0] & 0xE0 == 0x20:  # an update of the table's size
        block = block[1:]
    if block[0] in _INDEXED:
        return _INDEXED[block[0]]
    assert block[1] == 3, "the status is no text of three digits"
    return int(block[2:5])


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _text(value: bytes) -> bytes:
    """A string of HPACK without Huffman; a length beyond 126 is continued in groups of seven bits."""
    if len(value) < 127:
        return bytes([len(value)]) + value
    rest, size = len(value) - 127, bytearray([127])
    while rest >= 128:
        size.append(rest % 128 + 128)
        rest //= 128
    return bytes([*size, rest]) + value
