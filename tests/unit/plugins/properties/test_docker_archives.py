# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Docker archives: what docker save wrote is read as it was; whatever else it is, the error is one of ours."""

from __future__ import annotations

import gzip
import io
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._docker_archive import SavedImage, read_archive
from ansible_collections.airlift.registry.tests.unit.plugins.support.images import (
    Saved,
    blobs_archive,
    layer,
    legacy_archive,
    sha256,
    tar,
)
from ansible_collections.airlift.registry.tests.unit.plugins.support.outcomes import outcome

LAYERS = [layer(text) for text in ("base", "top", "other")]
tags = st.lists(st.sampled_from(["app:v1", "team/app:v2", "localhost:5000/app"]), unique=True, max_size=2)
saved = st.builds(Saved, st.lists(st.sampled_from(LAYERS), min_size=1, max_size=4), st.one_of(st.none(), tags))
archives = st.sampled_from([legacy_archive, blobs_archive])


def read(data: bytes, place: Path) -> list[SavedImage]:
    shutil.rmtree(place, ignore_errors=True)
    return read_archive(io.BytesIO(data), BlobStore(str(place)), "docker archive a.tar")


@settings(max_examples=20)
@given(
    found=st.lists(saved, min_size=1, max_size=3), archive=archives, compress=st.sampled_from([bytes, gzip.compress])
)
def test_what_was_saved_is_read(tmp_path: Path, found: list[Saved], archive: object, compress: object) -> None:
    assert callable(archive)
    assert callable(compress)
    images = read(compress(tar(archive(*found))), tmp_path / "store")
    assert [image.config for image in images] == [image.config for image in found]
    for image, source in zip(images, found, strict=True):
        assert [entry.diff_id for entry in image.layers] == [f"sha256:{sha256(content)}" for content in source.layers]
        assert len(image.tags) == len(source.tags or ())


@pytest.mark.parametrize("archive", [legacy_archive, blobs_archive], ids=["legacy", "blobs"])
@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
@settings(max_examples=30)
@given(data=st.data())
def test_whatever_its_bytes(tmp_path: Path, archive: object, compress: object, data: st.DataObject) -> None:
    assert callable(archive)
    assert callable(compress)
    whole = compress(tar(archive(Saved(LAYERS[:2]))))
    place = data.draw(
        st.one_of(st.integers(0, len(whole)), st.integers(0, len(whole) // 512).map(lambda block: block * 512 + 156))
    )
    changed = whole[:place] + data.draw(st.binary(max_size=12)) + whole[place + data.draw(st.integers(0, 12)) :]
    before = sorted(os.listdir(tmp_path))
    outcome(lambda: read(changed, tmp_path / "store"))
    assert sorted({*before, "store"}) == sorted(os.listdir(tmp_path))
