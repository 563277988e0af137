# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""gzip on all cores: one member that every reader takes, and the same bytes however the input is cut."""

from __future__ import annotations

import gzip
import random
import subprocess
import zlib

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _gzip

_RANDOM = random.Random(1)
INPUTS = {
    "nothing": b"",
    "one byte": b"x",
    "less than a block": b"text " * 1000,
    "exactly one block": bytes(_gzip.BLOCK),
    "one byte more than a block": bytes(_gzip.BLOCK + 1),
    "several blocks that repeat each other": _RANDOM.randbytes(20_000) * 150,
    "several blocks that cannot be compressed": _RANDOM.randbytes(3 * _gzip.BLOCK),
}


def compress(data: bytes, piece: int) -> bytes:
    compressor = _gzip.Compressor()
    pieces = [compressor.feed(data[start : start + piece]) for start in range(0, len(data), piece)]
    return b"".join([*pieces, compressor.finish()])


@pytest.mark.parametrize("data", INPUTS.values(), ids=INPUTS.keys())
def test_every_reader_gets_the_input_back(data: bytes) -> None:
    compressed = compress(data, 65536)
    assert gzip.decompress(compressed) == data
    assert subprocess.run(["gzip", "-dc"], input=compressed, capture_output=True, check=True).stdout == data


@pytest.mark.parametrize("data", INPUTS.values(), ids=INPUTS.keys())
def test_the_same_input_makes_the_same_bytes_however_it_is_cut(data: bytes) -> None:
    assert compress(data, 1_000_003) == compress(data, 65536) == compress(data, 4 * _gzip.BLOCK)


def test_it_is_one_member() -> None:
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    reader.decompress(compress(INPUTS["several blocks that repeat each other"], 65536))
    assert (reader.eof, reader.unused_data) == (True, b"")


def test_blocks_refer_to_the_one_before() -> None:
    data = INPUTS["several blocks that repeat each other"]
    assert len(compress(data, 65536)) < 1.1 * len(zlib.compress(data, 6))
