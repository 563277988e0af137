# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The room that a layer takes, by its sizes and its beginning; tests/integration/test_preflight_disk.py compares it with engines."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import typing as t

import pytest
import zstandard

from ansible_collections.airlift.registry.plugins.module_utils._footprint import (
    SAMPLE,
    USUAL_EXPANSION,
    Footprint,
    footprint,
)
from ansible_collections.airlift.registry.tests.unit.plugins.support import images
from ansible_collections.airlift.registry.tests.unit.plugins.support.images import Member

FILE = Member("file", b"x" * 100)
BLOCK = 4096


def look(tar: bytes, compress: t.Callable[[bytes], bytes] = gzip.compress, sample: int = SAMPLE) -> Footprint:
    blob = compress(tar)
    return footprint(len(blob), len(tar), io.BytesIO(blob[:sample]))


@pytest.mark.parametrize(
    ("members", "blocks", "inodes"),
    [
        pytest.param([FILE], 1, 1, id="a small file takes a block"),
        pytest.param([Member("file", b"x" * (BLOCK + 1))], 2, 1, id="a file takes whole blocks"),
        pytest.param([Member("empty")], 0, 1, id="an empty file takes an inode"),
        pytest.param([Member("etc", type=tarfile.DIRTYPE)], 1, 1, id="a directory takes a block"),
        pytest.param([FILE, Member("same", type=tarfile.LNKTYPE, link="file")], 1, 1, id="a hard link takes nothing"),
        pytest.param([FILE, Member("soft", type=tarfile.SYMTYPE, link="file")], 1, 1, id="a symlink takes next to nothing"),
        pytest.param([Member("n" * 300, b"x")], 1, 1, id="the header of a long name is no file"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "compress", [gzip.compress, zstandard.ZstdCompressor().compress, bytes], ids=["gzip", "zstd", "none"]
)
def test_a_layer_that_is_seen_as_a_whole(
    members: list[Member], blocks: int, inodes: int, compress: t.Callable[[bytes], bytes]
) -> None:
    found = look(images.tar(members), compress)
    assert (found.unpacked, found.inodes) == (blocks * BLOCK, inodes)


def test_small_files_take_a_multiple_of_their_tar() -> None:
    """Only a tenth is looked at, and says how it goes on."""
    tar = images.tar([Member(f"f{number}", os.urandom(100)) for number in range(2000)])
    found = look(tar, sample=len(gzip.compress(tar)) // 10)
    assert found.unpacked == pytest.approx(2000 * BLOCK, rel=0.05)
    assert found.inodes == pytest.approx(2000, rel=0.05)


def test_the_usual_is_assumed_of_what_comes_later() -> None:
    """One large file first: nothing is known of the rest."""
    tar = images.tar([Member("large", os.urandom(100_000)), *(Member(f"f{number}", b"x") for number in range(100))])
    assert look(tar, sample=5000).unpacked == int(len(tar) * USUAL_EXPANSION)


@pytest.mark.parametrize(
    "sample",
    [
        pytest.param(None, id="no sample"),
        pytest.param(b"", id="nothing in it"),
        pytest.param(b"\x1f\x8b" + b"x" * 50, id="damaged gzip"),
        pytest.param(b"x" * 10_000, id="no tar"),
        pytest.param(bytes(124) + b"-0000000777\0" + bytes(376), id="a negative size"),
    ],
)
def test_without_a_sample_the_usual_is_assumed(sample: bytes | None) -> None:
    found = footprint(10, 1000, None if sample is None else io.BytesIO(sample))
    assert found == Footprint(10, int(1000 * USUAL_EXPANSION), 0)
