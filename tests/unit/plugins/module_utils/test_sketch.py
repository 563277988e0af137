# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which layer resembles which."""

from __future__ import annotations

import random
import tarfile
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._sketch import sketch

SIZE = 2_000_000


def noise(seed: int, size: int = SIZE) -> bytes:
    return random.Random(seed).randbytes(size)


def share(target: bytes, base: bytes) -> float:
    return sketch([target]).share_in(sketch([base]))


def test_finds_content_wherever_it_moved() -> None:
    old, new = noise(1), noise(2)
    half = old[: SIZE // 2]
    assert share(old, old) == 1.0
    assert share(old, new) < 0.05
    assert share(noise(3, 1234) + old, old) > 0.95
    assert 0.4 < share(half + new[: SIZE // 2], old) < 0.6
    assert share(half, old + new) > 0.95


def test_chunks_matter_little() -> None:
    data = noise(4)
    pieces = [data[place : place + 65536] for place in range(0, SIZE, 65536)]
    assert sketch(pieces).share_in(sketch([data])) > 0.95


def test_a_layer_with_no_fingerprints_resembles_nothing() -> None:
    assert share(b"", noise(5)) == share(b"\0" * SIZE, noise(5)) == 0.0
    assert not sketch([b"\0" * SIZE]).is_telling


@pytest.mark.parametrize("content", [noise(6, 300_000), Path(tarfile.__file__).read_bytes()], ids=["binary", "source"])
def test_a_layer_of_some_size_has_fingerprints(content: bytes) -> None:
    assert sketch([content]).is_telling


def test_a_sample_of_a_large_layer_stays_small_and_comparable() -> None:
    # Each pair is a fingerprint of its own, so there are many more than a sample has.
    large = b"".join(b"\x25\x71" + number.to_bytes(30, "big") for number in range(40_000))
    part = large[: len(large) // 4]
    assert share(part, large) > 0.95
    assert 0.2 < share(large, part) < 0.3
