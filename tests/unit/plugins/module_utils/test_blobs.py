# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Blobs on their way into a bundle: the same bytes each time, never a layer in memory."""

from __future__ import annotations

import gzip
import io
import os
import time
import tracemalloc
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._image import Layer
from ansible_collections.airlift.registry.tests.unit.plugins.support import images

BASE = images.layer("base")


class Endless:
    """A stream of I(size) zeros."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int, /) -> bytes:
        count = min(size, self.left)
        self.left -= count
        return bytes(count)


class Slow(io.BytesIO):
    """A stream that hands out little at a time, as sockets do."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 7, 7))


def test_compression_depends_on_nothing_but_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = BlobStore(str(tmp_path / "a")).add_layer(io.BytesIO(BASE), "a")
    monkeypatch.setattr(time, "time", lambda: 86400.0)
    second = BlobStore(str(tmp_path / "b")).add_layer(Slow(BASE), "b")
    assert first == second
    assert first.diff_id == _oci.digest_of(BASE)
    assert gzip.decompress((tmp_path / "a/blobs/sha256" / first.blob.digest[7:]).read_bytes()) == BASE


def test_a_compressed_layer_keeps_its_bytes_in_whatever_pieces_it_comes(tmp_path: Path) -> None:
    data = gzip.compress(BASE[:700]) + gzip.compress(BASE[700:])
    whole = BlobStore(str(tmp_path)).add_layer(io.BytesIO(data), "a")
    pieces = BlobStore(str(tmp_path)).add_layer(Slow(data), "a")
    assert whole == pieces
    assert (whole.blob.digest, whole.diff_id) == (_oci.digest_of(data), _oci.digest_of(BASE))


@pytest.mark.parametrize("kind", ["plain", "bomb"])
def test_a_large_layer_does_not_fill_the_memory(tmp_path: Path, kind: str) -> None:
    size = 64 * 1024 * 1024
    stream = Endless(size) if kind == "plain" else io.BytesIO(gzip.compress(bytes(size), 9))
    tracemalloc.start()
    BlobStore(str(tmp_path)).add_layer(stream, "a")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 1024 * 1024


@pytest.mark.parametrize(
    ("content", "is_stored"), [(BASE, False), (BASE[:-1], True)], ids=["a bundle elsewhere has it", "nobody has it"]
)
def test_what_is_elsewhere_is_not_stored(tmp_path: Path, content: bytes, is_stored: bool) -> None:
    there = Layer(_oci.Descriptor(_oci.OCI_LAYER_GZIP, f"sha256:{'5' * 64}", 5), _oci.digest_of(BASE))
    store = BlobStore(str(tmp_path / "b"), elsewhere={there.diff_id: there})
    layer = store.add_layer(Slow(content), "a")
    alone = BlobStore(str(tmp_path / "a")).add_layer(io.BytesIO(content), "a")
    assert layer == (alone if is_stored else there)
    stored = [path.name for path in (tmp_path / "b").rglob("*") if path.is_file()]
    assert stored == ([layer.blob.digest[7:]] if is_stored else [])


def test_zstd_is_sent_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^layer x is compressed with zstd") as error:
        BlobStore(str(tmp_path)).add_layer(io.BytesIO(b"\x28\xb5\x2f\xfd rest"), "layer x")
    assert "docker://" in error.value.next_step


BLOB = _oci.Descriptor(_oci.OCI_LAYER_GZIP, _oci.digest_of(BASE), len(BASE))


def test_stores_what_has_its_digest(tmp_path: Path) -> None:
    store = BlobStore(str(tmp_path))
    assert not store.has(BLOB)
    store.add_blob([BASE[:100], BASE[100:]], BLOB, "app")
    assert store.has(BLOB)
    assert store.read(BLOB, "app") == BASE


@pytest.mark.parametrize(
    "chunks", [[BASE, b"x"], [BASE[:-1]], [BASE[:-1], b"x"], []], ids=["longer", "shorter", "another", "nothing"]
)
def test_stores_nothing_else(tmp_path: Path, chunks: list[bytes]) -> None:
    store = BlobStore(str(tmp_path))
    with pytest.raises(InputError, match=r"^app came with a blob that is not sha256:"):
        store.add_blob(chunks, BLOB, "app")
    assert not store.has(BLOB)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_endless_blob_is_left_early(tmp_path: Path) -> None:
    taken: list[bytes] = []

    def endless() -> t.Iterator[bytes]:
        while len(taken) < 1000:
            taken.append(BASE)
            yield BASE

    with pytest.raises(InputError, match="not sha256:"):
        BlobStore(str(tmp_path)).add_blob(endless(), BLOB, "app")
    assert len(taken) == 2


@pytest.mark.parametrize(
    ("content", "is_used"),
    [
        pytest.param(BASE, True, id="whole"),
        pytest.param(BASE[:-1], False, id="cut short"),
        pytest.param(BASE[:-1] + b"x", False, id="damaged"),
    ],
)
def test_what_another_run_left_is_used_if_it_is_whole(tmp_path: Path, content: bytes, is_used: bool) -> None:
    path = Path(BlobStore(str(tmp_path)).path(BLOB.digest))
    path.write_bytes(content)
    assert BlobStore(str(tmp_path)).has(BLOB) is is_used
    assert path.exists() is is_used


@pytest.mark.parametrize(
    ("content", "is_used"),
    [pytest.param(BASE, True, id="whole"), pytest.param(BASE[:-1], False, id="cut short"), pytest.param(None, False, id="missing")],
)  # fmt: skip
def test_what_another_has_verified_is_used_if_it_has_its_size(
    tmp_path: Path, content: bytes | None, is_used: bool
) -> None:
    store = BlobStore(str(tmp_path))
    if content:
        Path(store.path(BLOB.digest)).write_bytes(content)
    assert store.has(BLOB, is_verified=True) is is_used
    assert os.path.exists(store.path(BLOB.digest)) is is_used


def test_only_what_is_used_stays(tmp_path: Path) -> None:
    other = BlobStore(str(tmp_path)).add_document(b"of another run", "text/plain")
    store = BlobStore(str(tmp_path))
    store.add_blob([BASE], BLOB, "app")
    dropped = store.add_document(b"dropped", "text/plain")
    store.release([dropped.digest])
    store.remove_unused()
    assert os.listdir(tmp_path / "blobs/sha256") == [BLOB.digest[7:]]
    assert not store.has(other)
