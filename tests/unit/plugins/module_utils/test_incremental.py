# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bundles without what others have: what they still say, when they are believed, and several of them together."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shutil
import subprocess
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _bundle, _bundle_writer, _layout, _oci
from ansible_collections.airlift.registry.plugins.module_utils._assemble import share_layers
from ansible_collections.airlift.registry.plugins.module_utils._bases import Base, combine
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, BundleError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._footprint import USUAL_EXPANSION
from ansible_collections.airlift.registry.plugins.module_utils._lock import Lock, LockedBlob, format_lock, parse_lock
from ansible_collections.airlift.registry.plugins.module_utils._pool import Need, Pool
from ansible_collections.airlift.registry.plugins.module_utils._restore import Restorer
from ansible_collections.airlift.registry.plugins.module_utils._source_bundle import (
    BundleSource,
    Portion,
    read_base,
    split_portions,
)
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer, flip, seal

UNUSED = Restorer("/nowhere", run_program)  # there are no deltas here

V1, V2, V3 = (f"docker.io/library/app:v{number}" for number in (1, 2, 3))
BASE, TOP, NEW, NEWER = (images.layer(text) for text in ("base", "top", "new", "newer"))
FIRST, SECOND, THIRD = {V1: [BASE, TOP]}, {V2: [BASE, NEW]}, {V3: [BASE, NEW, NEWER]}


@dataclass(frozen=True)
class Chain:
    """A full bundle, an increment on it (a tar), and an increment on that increment alone."""

    first: Path
    second: Path
    third: Path

    @property
    def all(self) -> tuple[Path, Path, Path]:
        return self.first, self.second, self.third


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> Chain:
    path = tmp_path_factory.mktemp("chain")
    found = Chain(path / "first", path / "second.tar", path / "third")
    bundles.make_bundle(found.first, signer, FIRST)
    bundles.make_bundle(found.second, signer, SECOND, [found.first])
    bundles.make_bundle(found.third, signer, THIRD, [found.second])
    return found


def left_out(bundle: _bundle.Bundle) -> dict[str, str]:
    """The name of the base by the diffID of each layer that is not there."""
    names = {base.id: base.name for base in bundle.lock.bases}
    return {found.diff_id: names[found.base] for found in bundle.lock.blobs if found.base}


def diff_id(content: bytes) -> str:
    return _oci.digest_of(content)


def digest(bundle: _bundle.Bundle, content: bytes) -> str:
    """The digest of the blob that holds a layer of this content."""
    return next(found.digest for found in bundle.lock.blobs if found.diff_id == diff_id(content))


def test_what_a_base_has_is_left_out_and_its_home_is_named(chain: Chain, signer: Signer) -> None:
    first, second, third = (bundles.load(path, signer) for path in chain.all)
    assert left_out(first) == {}
    assert left_out(second) == {diff_id(BASE): "first"}
    assert left_out(third) == {diff_id(BASE): "first", diff_id(NEW): "second.tar"}
    assert {base.id: base.name for base in third.lock.bases} == {first.id: "first", second.id: "second.tar"}
    assert _layout.blob_name(digest(second, BASE)) not in second.files.sizes()
    assert _bundle.verify_blobs(third) == []


def test_others_still_see_every_layer_and_check_what_is_there(chain: Chain) -> None:
    (saved,) = json.loads((chain.third / "manifest.json").read_bytes())
    index = json.loads((chain.third / "index.json").read_bytes())
    manifest = json.loads((chain.third / _layout.blob_name(index["manifests"][0]["digest"])).read_bytes())
    assert saved["Layers"] == [_layout.blob_name(layer["digest"]) for layer in manifest["layers"]]
    assert len(saved["Layers"]) == len(THIRD[V3])
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=chain.third, check=True)


def test_a_lock_file_alone_is_as_good_a_base_as_its_bundle(chain: Chain, signer: Signer, tmp_path: Path) -> None:
    lock = tmp_path / "first.lock.yml"
    shutil.copy(chain.first / _layout.LOCK, lock)
    bundles.make_bundle(tmp_path / "second.tar", signer, SECOND, [lock])
    assert (tmp_path / "second.tar").read_bytes() == chain.second.read_bytes()


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("2026-10.lock.yml", "2026-10"),
        ("2026-10.yml", "2026-10"),
        ("october/bundle.lock.yml", "october"),
        ("october", "october"),
    ],
)
def test_the_name_of_a_lock(chain: Chain, tmp_path: Path, place: str, name: str) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    shutil.copy(chain.first / _layout.LOCK, tmp_path / place)
    assert read_base(str(tmp_path / place), lambda path: pytest.fail(path)).name == name


def test_a_base_that_is_damaged_is_none(chain: Chain, signer: Signer, tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(chain.first, tmp_path / "damaged"))
    flip(damaged / _layout.INDEX)
    with pytest.raises(BundleError, match=r"index\.json .* is damaged"):
        bundles.make_bundle(tmp_path / "second", signer, SECOND, [damaged])
    (tmp_path / "lock.yml").write_text('version: 1\ncreated: ""\nsurprise:\n')
    with pytest.raises(BundleError, match=r"bundle\.lock\.yml is none"):
        bundles.make_bundle(tmp_path / "second", signer, SECOND, [tmp_path / "lock.yml"])
    assert sorted(os.listdir(tmp_path)) == ["damaged", "lock.yml"]


def bring_what_was_left_out(bundle: Path) -> None:
    manifest = json.loads((bundle / _layout.DOCKER_MANIFEST).read_bytes())
    shutil.copy(bundle.parent / "first" / manifest[0]["Layers"][0], bundle / manifest[0]["Layers"][0])


def name_no_base(bundle: Path) -> None:
    lock = parse_lock((bundle / _layout.LOCK).read_bytes())
    (bundle / _layout.LOCK).write_bytes(format_lock(dataclasses.replace(lock, bases=())))


def claim_no_base(bundle: Path) -> None:
    lock = parse_lock((bundle / _layout.LOCK).read_bytes())
    blobs = tuple(dataclasses.replace(blob, base="") for blob in lock.blobs)
    (bundle / _layout.LOCK).write_bytes(format_lock(dataclasses.replace(lock, bases=(), blobs=blobs)))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param(claim_no_base, "is missing from bundle", id="a layer that no base is said to have"),
        pytest.param(name_no_base, "does not name the base", id="a base without a name"),
        pytest.param(bring_what_was_left_out, "though it says that it was left out", id="a layer more"),
    ],
)
def test_what_is_absent_must_be_in_the_signed_lock(
    chain: Chain, signer: Signer, tmp_path: Path, change: t.Callable[[Path], None], problem: str
) -> None:
    bundles.make_bundle(tmp_path / "first", signer, FIRST)
    bundles.make_bundle(tmp_path / "second", signer, SECOND, [tmp_path / "first"])
    change(tmp_path / "second")
    seal(tmp_path / "second", signer)
    with pytest.raises(BundleError, match=problem):
        bundles.load(tmp_path / "second", signer)


# Which bundles are given; what the host lacks; the bundles that are asked for.
POOLS = [
    pytest.param("first", [BASE, TOP], [], id="a full bundle"),
    pytest.param("first second third", [BASE, TOP, NEW, NEWER], [], id="all"),
    pytest.param("third", [NEWER], [], id="bases skipped, their layers are on the host"),
    pytest.param("second third", [NEW, NEWER], [], id="one base skipped"),
    pytest.param("third", [NEW, NEWER], ["second.tar"], id="one base lacking"),
    pytest.param("third", [BASE, NEW, NEWER], ["first", "second.tar"], id="two bases lacking"),
    pytest.param("second third", [BASE, NEW, NEWER], ["first"], id="the full bundle lacking"),
]


@pytest.mark.parametrize(("given", "lacking", "asked_for"), POOLS)
def test_a_layer_is_taken_from_whichever_bundle_has_it(
    chain: Chain, signer: Signer, given: str, lacking: list[bytes], asked_for: list[str]
) -> None:
    loaded = {path.stem: bundles.load(path, signer) for path in chain.all}
    ids = {bundle.name: bundle.id for bundle in loaded.values()}
    digests = {found.diff_id: found.digest for bundle in loaded.values() for found in bundle.lock.blobs}
    needs = [Need(V3, digests[diff_id(content)]) for content in lacking]
    for order in itertools.permutations(given.split()):
        pool = Pool([loaded[name] for name in order], UNUSED)
        if not asked_for:
            pool.check(needs, "Host ship1")
            for need in needs:
                assert _layout.blob_name(need.digest) in pool.home(need.digest).files.sizes()
            continue
        with pytest.raises(BundleError) as error:
            pool.check(needs, "Host ship1")
        assert error.value.problem.startswith(f"Host ship1 lacks layer {needs[0].digest} of image {V3}")
        assert f"bundle {asked_for[0]} ({ids[asked_for[0]]})" in error.value.problem
        for name in asked_for:
            assert f"bundle {name} ({ids[name]})" in error.value.next_step


def test_the_room_for_a_layer_is_known_or_guessed(chain: Chain, signer: Signer) -> None:
    first, second = bundles.load(chain.first, signer), bundles.load(chain.second, signer)
    layer = second.images[0].layers[0]
    both, alone = Pool([first, second], UNUSED).footprint(layer), Pool([second], UNUSED).footprint(layer)
    assert both.archive == alone.archive == layer.blob.size
    assert (both.inodes, both.unpacked) == (1, 4096)
    assert alone.unpacked == int(3 * layer.blob.size * USUAL_EXPANSION)


def take(path: Path, signer: Signer, portions: t.Sequence[Portion], base: Path | None = None) -> Path:
    """Make a bundle of others, as the module does."""
    source = BundleSource(portions, lambda name: bundles.load(Path(name), signer), UNUSED)
    bases = combine([read_base(str(base), lambda name: bundles.load(Path(name), signer))] if base else [])
    source.check((), bases.homes)
    with _bundle_writer.work_directory(str(path)) as work:
        store = BlobStore(work, left_out=bases.homes)
        packed = source.fetch(store)
        _bundle_writer.write_bundle(store, packed, str(path), str(signer.key), run_program, bases=bases)
    return path


def portions_of(*paths: Path, reference: str = "") -> list[Portion]:
    return [Portion(str(path), reference) for path in paths]


def test_a_full_bundle_of_increments_is_the_one_that_would_have_been_made(
    chain: Chain, signer: Signer, tmp_path: Path
) -> None:
    bundles.make_bundle(tmp_path / "fresh.tar", signer, {**FIRST, **SECOND, **THIRD})
    for number, order in enumerate(itertools.permutations(chain.all)):
        merged = take(tmp_path / f"merged{number}.tar", signer, portions_of(*order))
        assert merged.read_bytes() == (tmp_path / "fresh.tar").read_bytes()


def test_an_index_is_taken_over_with_its_attestations(signer: Signer, tmp_path: Path) -> None:
    with _bundle_writer.work_directory(str(tmp_path / "index")) as work:
        store = BlobStore(work)
        packed = bundles.pack_index(store, V1, {"linux/amd64": [BASE, TOP], "linux/arm64": [BASE, NEW]}, b"{}")
        _bundle_writer.write_bundle(store, packed, str(tmp_path / "index"), str(signer.key), run_program)
    (tmp_path / "again").mkdir()
    merged = take(tmp_path / "again/index", signer, portions_of(tmp_path / "index", reference="app:v1"))
    assert bundles.load(merged, signer).id == bundles.load(tmp_path / "index", signer).id
    assert (merged / _layout.SUMS).read_bytes() == (tmp_path / "index" / _layout.SUMS).read_bytes()


def test_one_image_or_the_later_one_of_two_with_the_same_name(signer: Signer, tmp_path: Path) -> None:
    for name, content in (("old", TOP), ("new", NEW)):
        bundles.make_bundle(tmp_path / name, signer, {V1: [BASE, content], f"docker.io/library/{name}:1": [content]})

    def taken(*portions: Portion) -> dict[str, str]:
        source = BundleSource(portions, lambda path: bundles.load(Path(path), signer), UNUSED)
        return {entry.name: entry.digest for entry in source.locked}

    old, new = (
        {entry.name: entry.digest for entry in bundles.load(tmp_path / name, signer).lock.images}
        for name in ("old", "new")
    )
    whole = portions_of(tmp_path / "old", tmp_path / "new")
    assert taken(*whole) == {**old, **new}
    assert taken(*reversed(whole)) == {**new, **old}
    (one,) = portions_of(tmp_path / "old", reference="app:v1")
    assert taken(one) == {V1: old[V1]}
    assert taken(one, whole[1]) == {**new, V1: old[V1]}


def test_an_increment_of_increments_leaves_out_what_its_base_has(chain: Chain, signer: Signer, tmp_path: Path) -> None:
    made = take(tmp_path / "both", signer, portions_of(chain.second, chain.third), chain.first)
    bundle = bundles.load(made, signer)
    assert left_out(bundle) == {diff_id(BASE): "first"}
    assert {image.name for image in bundle.images} == {V2, V3}


def test_what_no_bundle_has_is_named_before_anything_is_made(chain: Chain, signer: Signer, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"The new bundle lacks layer .* of image .*app:v3.*bundle first \(sha256:"):
        take(tmp_path / "merged", signer, portions_of(chain.third, chain.second))
    assert os.listdir(tmp_path) == []


def test_a_damaged_layer_is_not_taken_over(signer: Signer, tmp_path: Path) -> None:
    (packed,) = bundles.make_bundle(tmp_path / "damaged", signer, FIRST)
    flip(tmp_path / "damaged" / _layout.blob_name(packed.image.layers[1].blob.digest))
    with pytest.raises(InputError, match=f"app:v1 of bundle {tmp_path}/damaged came with a blob that is not"):
        take(tmp_path / "merged", signer, portions_of(tmp_path / "damaged"))
    assert not (tmp_path / "merged").exists()


def test_layers_of_a_base_stand_for_those_of_the_same_content(signer: Signer, tmp_path: Path) -> None:
    """They are no part of the bundle, though they were compressed before that was known."""
    blob = LockedBlob("sha256:" + "a" * 64, diff_id(BASE), 5)
    bases = combine([Base("sha256:" + "b" * 64, "base.tar", Lock("", (), (blob,)))])
    store = BlobStore(str(tmp_path), left_out=bases.homes)
    packed = dataclasses.replace(bundles.pack(store, V1, [BASE, TOP]), is_made_here=True)
    (shared,) = share_layers([packed], bases.layers, False, store)
    store.remove_unused()
    assert [layer.blob.digest for layer in shared.image.layers] == [blob.digest, packed.image.layers[1].blob.digest]
    stored = {_oci.digest_of(path.read_bytes()) for path in (tmp_path / "blobs/sha256").iterdir()}
    assert stored == {shared.image.manifest.digest, shared.image.config.digest, shared.image.layers[1].blob.digest}


@pytest.mark.parametrize(
    ("values", "portions", "others"),
    [
        (["bundle:/a.tar"], [Portion("/a.tar", "")], []),
        (["bundle:a/b:app:v1"], [Portion("a/b", "app:v1")], []),
        (["bundle:a:host:5000/app:v1"], [Portion("a", "host:5000/app:v1")], []),
        ([{"source": "bundle:a"}, "docker-daemon:x", 7], [Portion("a", "")], ["docker-daemon:x", 7]),
    ],
)
def test_sources_that_are_bundles(values: list[t.Any], portions: list[Portion], others: list[t.Any]) -> None:
    assert split_portions(values) == (portions, others)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("bundle:", "names no bundle"),
        ("bundle::app:v1", "names no bundle"),
        ({"source": "bundle:a:app:v1", "name": "b:1"}, "has options beside its source"),
        ({"source": "bundle:a", "platforms": ["linux/amd64"]}, "has options beside its source"),
    ],
)
def test_sources_that_cannot_be_meant(value: t.Any, problem: str) -> None:
    with pytest.raises(AirliftError, match=problem):
        split_portions([value])


def test_an_image_that_a_bundle_has_not(chain: Chain, signer: Signer) -> None:
    with pytest.raises(InputError, match=r"first has no image docker\.io/library/tool:v1"):
        BundleSource(
            portions_of(chain.first, reference="tool:v1"), lambda path: bundles.load(Path(path), signer), UNUSED
        )


def test_a_name_that_comes_from_elsewhere_too(chain: Chain, signer: Signer) -> None:
    source = BundleSource(portions_of(chain.first), lambda path: bundles.load(Path(path), signer), UNUSED)
    with pytest.raises(InputError, match=r"app:v1 is in the list of images and in bundle .*/first"):
        source.check([V1], ())
