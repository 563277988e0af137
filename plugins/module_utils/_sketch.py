# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Which layer another one most resembles: fingerprints of its content, wherever in the layer it is.

A fingerprint is the CRC of 32 bytes that begin with one of 24 pairs of bytes, so about each 3000th place of a program has
one and each 100th of a text, and content that moves keeps its own. The smallest of them are a sample that is the same for the same content (Broder,
"On the resemblance and containment of documents"). A layer costs one pass of a regular expression. What lies across the end
of a chunk is missed, which is too little to matter.
"""

from __future__ import annotations

import re
import typing as t
import zlib

_PLACE = re.compile(rb"[\x25\x4ec\x91][\x71\x8d\xa3\x2fou].{30}", re.DOTALL)
_SAMPLE = 2048
_FEW = 16
_ALL = 1 << 32  # more than any CRC


class Sketch:
    """The sample of one layer: some kilobytes, whatever the layer's size."""

    def __init__(self) -> None:
        self._values: set[int] = set()
        self._limit = _ALL

    def feed(self, data: bytes) -> None:
        """Take some of the layer."""
        self._values.update(value for value in map(zlib.crc32, _PLACE.findall(data)) if value < self._limit)
        if len(self._values) > 4 * _SAMPLE:
            kept = sorted(self._values)[:_SAMPLE]
            self._values, self._limit = set(kept), kept[-1] + 1

    @property
    def is_telling(self) -> bool:
        """Whether there are enough fingerprints to go by. A small layer may have none."""
        return len(self._values) >= _FEW

    def share_in(self, other: Sketch) -> float:
        """About which share of this layer is in the other, 0 to 1."""
        limit = min(self._limit, other._limit)
        mine = {value for value in self._values if value < limit}
        return len(mine & other._values) / len(mine) if mine else 0.0


def sketch(chunks: t.Iterable[bytes]) -> Sketch:
    """The sketch of a layer that is read once."""
    made = Sketch()
    for chunk in chunks:
        made.feed(chunk)
    return made
