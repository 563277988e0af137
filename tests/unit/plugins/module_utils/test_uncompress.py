# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compressed streams: each format, several streams in one file, damage, and streams that ask for much memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import typing as t

import pytest
import zstandard

from ansible_collections.airlift.registry.plugins.module_utils import _uncompress
from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._uncompress import uncompressed

CONTENT = b"".join(os.urandom(500) + b"x" * 500 for _number in range(200))
Compress = t.Callable[[bytes], bytes]
FORMATS: dict[str, Compress] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
EACH = pytest.mark.parametrize("compress", FORMATS.values(), ids=FORMATS)


def read(data: bytes, size: int = 4096) -> bytes:
    stream, pieces = uncompressed(io.BytesIO(data), "File a.tar"), []
    while piece := stream.read(size):
        assert len(piece) <= size
        pieces.append(piece)
    return b"".join(pieces)


@EACH
@pytest.mark.parametrize("size", [1000, 1 << 20])
def test_reads_what_was_compressed(compress: Compress, size: int) -> None:
    assert read(compress(CONTENT), size) == CONTENT


@EACH
def test_reads_several_streams_in_one_file(compress: Compress) -> None:
    assert read(compress(CONTENT) + compress(b"more")) == CONTENT + b"more"


@pytest.mark.parametrize("content", [CONTENT, b"", b"x"], ids=["long", "empty", "one byte"])
def test_what_is_not_compressed_is_what_it_was(content: bytes) -> None:
    assert read(content) == content


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bzip2", "xz"])
def test_refuses_a_stream_cut_short(compress: Compress) -> None:
    with pytest.raises(InputError, match=r"File a.tar is damaged \(it is cut short\)"):
        read(compress(CONTENT)[:-100])


@EACH
def test_refuses_a_damaged_stream(compress: Compress) -> None:
    data = compress(CONTENT)
    with pytest.raises(InputError, match="File a.tar is damaged"):
        read(data[:9] + bytes(byte ^ 0xFF for byte in data[9:60]) + data[60:])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(lzma.compress(b"x", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}]), id="xz"),
        pytest.param(
            # A frame header that names a window of 1 GiB (zstd format, "Window_Descriptor").
            b"\x28\xb5\x2f\xfd\x00\xa0" + b"\x01\x00\x00",
            id="zstd",
        ),
    ],
)
def test_refuses_a_stream_that_asks_for_much_memory(data: bytes) -> None:
    with pytest.raises(InputError, match="File a.tar needs more than") as error:
        read(data)
    assert "Decompress it first" in error.value.next_step


def test_says_that_the_library_for_zstd_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_uncompress, "zstandard", None)
    with pytest.raises(HostError, match="File a.tar is compressed with zstd") as error:
        read(FORMATS["zstd"](CONTENT))
    assert "python3-zstandard" in error.value.next_step
