# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images of an engine: saved, unless a base has them under another name."""

from __future__ import annotations

import tempfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._bases import combine
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle
from ansible_collections.airlift.registry.plugins.module_utils._engine import Engine
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed
from ansible_collections.airlift.registry.plugins.module_utils._reuse import stand_ins
from ansible_collections.airlift.registry.plugins.module_utils._source import parse_list
from ansible_collections.airlift.registry.plugins.module_utils._source_bundle import read_base
from ansible_collections.airlift.registry.plugins.module_utils._source_engine import DaemonSource
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer
from ansible_collections.airlift.registry.tests.unit.plugins.support.images import Saved, blobs_archive, tar
from ansible_collections.airlift.registry.tests.unit.plugins.support.servers import EngineState, engine_server

BASE, TOP, NEW = (images.layer(text) for text in ("base", "top", "new"))
OLD, OTHER = Saved([BASE, TOP], ["app:v1", "app:stable"]), Saved([BASE, NEW], ["app:v2"])


@pytest.fixture
def base(tmp_path: Path, signer: Signer) -> Bundle:
    """A bundle with the first image, under one of its names."""
    bundles.make_bundle(tmp_path / "base", signer, {"docker.io/library/app:v1": OLD.layers})
    return bundles.load(tmp_path / "base", signer)


def fetch(
    tmp_path: Path, names: t.Sequence[str], archive: bytes, bases: t.Sequence[Bundle], reuses: bool = True
) -> list[Packed]:
    """Take images from an engine that saves this archive and nothing else."""
    state = EngineState(archive=archive)
    state.images = {saved.id: {"Id": saved.id, "RepoTags": saved.tags} for saved in (OLD, OTHER)}
    known = combine(read_base(bundle.files.path, {bundle.files.path: bundle}.__getitem__) for bundle in bases)
    directory = Path(tempfile.mkdtemp(dir=tmp_path))
    store = BlobStore(
        str(directory / "store"), left_out=known.homes, elsewhere=stand_ins(known.layers, False) if reuses else {}
    )
    with engine_server(directory, state) as host:
        source = DaemonSource(lambda: Engine(host, 60), lambda: bases)
        wanted = parse_list([f"docker-daemon:{name}" for name in names], "linux/amd64")
        return source.fetch(wanted, {entry: source.identify(entry) for entry in wanted}, store)


def test_a_new_name_is_not_saved(tmp_path: Path, base: Bundle) -> None:
    (packed,) = fetch(tmp_path, ["app:stable"], b"", [base])
    (image,) = base.images
    assert packed.image.name == "docker.io/library/app:stable"
    assert packed.source_id == OLD.id
    assert (packed.image.manifest, packed.image.config) == (image.manifest, image.config)
    assert (packed.image.layers, packed.image.created) == (image.layers, image.created)
    assert packed.is_made_here


def test_only_the_others_are_saved(tmp_path: Path, base: Bundle) -> None:
    found = fetch(tmp_path, ["app:stable", "app:v2"], tar(blobs_archive(OTHER)), [base])
    assert [packed.image.config.digest for packed in found] == [OLD.id, OTHER.id]


@pytest.mark.parametrize(
    ("has_base", "reuses"),
    [
        pytest.param(False, True, id="no base"),
        pytest.param(True, False, id="the layers of others are not used again"),
    ],
)
def test_what_no_base_can_stand_for_is_saved(tmp_path: Path, base: Bundle, has_base: bool, reuses: bool) -> None:
    bases = [base] if has_base else []
    with pytest.raises(InputError, match="is no archive"):
        fetch(tmp_path, ["app:stable"], b"", bases, reuses)
    (packed,) = fetch(tmp_path, ["app:stable"], tar(blobs_archive(OLD)), bases, reuses)
    assert packed.image.config.digest == OLD.id
