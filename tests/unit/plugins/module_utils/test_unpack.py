# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Layers, uncompressed and compressed again."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _unpack
from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, BundleError
from ansible_collections.airlift.registry.tests.unit.plugins.support.images import sha256

CONTENT = os.urandom(3000) * 1000
MEMBERS = gzip.compress(CONTENT[:1_000_000]) + gzip.compress(CONTENT[1_000_000:])


@pytest.mark.parametrize("compressed", [gzip.compress(CONTENT), MEMBERS], ids=["one member", "two members"])
@pytest.mark.parametrize("step", [1000, 1 << 30], ids=["small chunks", "one chunk"])
def test_uncompresses_a_piece_at_a_time(compressed: bytes, step: int) -> None:
    chunks = [compressed[place : place + step] for place in range(0, len(compressed), step)]
    pieces = list(_unpack.uncompressed(chunks, is_gzip=True))
    assert b"".join(pieces) == CONTENT
    assert max(map(len, pieces)) <= 1 << 20


@pytest.mark.parametrize("restore", ["tar", "gzip"])
def test_compresses_again(restore: str) -> None:
    made = b"".join(_unpack.compressed([CONTENT[:7], CONTENT[7:]], restore))
    assert b"".join(_unpack.uncompressed([made], restore == "gzip")) == CONTENT


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(gzip.compress(CONTENT)[:-3000], "is cut short", id="cut short"),
        pytest.param(gzip.compress(CONTENT)[:9] + b"\xff" * 99, "damaged", id="damaged"),
        pytest.param(gzip.compress(b"\0" * 50_000_000), "more than the 3000000 bytes", id="bomb"),
    ],
)
def test_stops_at_damage_and_at_the_limit(data: bytes, problem: str) -> None:
    with pytest.raises(AirliftError, match=problem):
        for _piece in _unpack.uncompressed([data], is_gzip=True, limit=len(CONTENT)):
            pass


def test_tells_a_file_that_is_another(tmp_path: Path) -> None:
    path = tmp_path / "layer"
    assert _unpack.write_verified([b"a", b"b"], str(path), f"sha256:{sha256(b'ab')}", "It") == 2
    assert list(_unpack.file_chunks(str(path))) == [b"ab"]
    with pytest.raises(BundleError, match="It is not sha256:"):
        _unpack.write_verified([b"a", b"c"], str(path), f"sha256:{sha256(b'ab')}", "It")
    with pytest.raises(BundleError, match="It is not sha256:"):
        _unpack.verify(str(path), f"sha256:{sha256(b'ab')}", "It")
