# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""zstd: the same bytes whatever the pieces and the workers, bounded memory, and others can read it."""

from __future__ import annotations

import io
import random
import subprocess
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _oci, _zstd
from ansible_collections.airlift.registry.plugins.module_utils._blobs import ZSTD, BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError
from ansible_collections.airlift.registry.tests.unit.plugins.support import images

DATA = random.Random(7).randbytes(1 << 16) * 90  # some jobs' worth


def compress(data: bytes, piece: int) -> bytes:
    compressor = _zstd.Compressor()
    pieces = [compressor.feed(data[place : place + piece]) for place in range(0, len(data), piece)]
    return b"".join([*pieces, compressor.finish()])


@pytest.mark.parametrize("workers", [1, 3])
def test_the_same_bytes_whatever_the_pieces_and_the_workers(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    whole = compress(DATA, len(DATA))
    monkeypatch.setattr(_zstd, "_WORKERS", workers)
    assert compress(DATA, 65521) == whole
    assert len(whole) < len(DATA) // 50


@pytest.mark.parametrize("data", [b"", b"x", DATA], ids=["nothing", "a byte", "much"])
def test_others_can_read_it(data: bytes) -> None:
    read = subprocess.run(["zstd", "-dc"], input=compress(data, 1 << 20), check=True, capture_output=True).stdout
    assert read == data


def test_layers_have_its_media_type(tmp_path: Path) -> None:
    content = images.layer("base")
    layer = BlobStore(str(tmp_path), ZSTD).add_layer(io.BytesIO(content), "a")
    assert (layer.blob.media_type, layer.diff_id) == (_oci.OCI_LAYER_ZSTD, _oci.digest_of(content))


def test_says_that_the_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_zstd, "zstandard", None)
    with pytest.raises(HostError, match="zstandard is missing") as error:
        _zstd.Compressor()
    assert "python3-zstandard" in error.value.next_step
