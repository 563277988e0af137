# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deltas in bundles: made from the best base, proven, verified when the bundle is opened, and restored where it is read."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import os
import random
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _bundle_writer, _layout
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle, load_bundle, verify_blobs
from ansible_collections.airlift.registry.plugins.module_utils._delta_maker import make_deltas
from ansible_collections.airlift.registry.plugins.module_utils._deltas import Deltas
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError
from ansible_collections.airlift.registry.plugins.module_utils._footprint import USUAL_EXPANSION
from ansible_collections.airlift.registry.plugins.module_utils._pool import Need, Pool
from ansible_collections.airlift.registry.plugins.module_utils._restore import Restorer
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

# Text that gzip makes a fifth of, so the layers have content that is found again and content that is not.
WORDS = [f"{word}{number}" for word in ("layer", "blob", "index") for number in range(40)]
NAME = "docker.io/library/app:1"


def text(seed: int, size: int = 120_000) -> bytes:
    chosen = random.Random(seed)
    return "".join(f"{chosen.choice(WORDS)} %q{seed}" for _word in range(size // 10)).encode()


def layer(*files: bytes) -> bytes:
    return images.tar([images.Member(f"app/{number}", content) for number, content in enumerate(files)])


OLD = layer(text(1), text(2), text(3))
NEW = layer(text(1), b"a new file", text(2), text(3) + b"edited")
FOREIGN = layer(text(7), text(8))


def make(
    path: Path, signer: Signer, layers: t.Sequence[bytes], mode: str, bases: t.Sequence[Bundle] = (), limit: float = 0.5
) -> Bundle:
    with _bundle_writer.work_directory(str(path)) as work:
        store = BlobStore(work)
        packed = [bundles.pack(store, NAME, layers)]
        asked = Deltas(mode, limit, tuple(base.id for base in bases))
        deltas = make_deltas(store, packed[0].image.layers, asked, bases, run_program)
        _bundle_writer.write_bundle(store, packed, str(path), str(signer.key), run_program, deltas=deltas)
    return load(path, signer)


def load(path: Path, signer: Signer) -> Bundle:
    return load_bundle(str(path), str(signer.allowed_signers), run_program)


def pool(tmp_path: Path, *given: Bundle) -> Pool:
    return Pool(given, Restorer(str(tmp_path / "restored"), run_program))


@pytest.fixture
def base(tmp_path: Path, signer: Signer) -> Bundle:
    return make(tmp_path / "base", signer, [FOREIGN, OLD], "none")


def gz(content: bytes) -> bytes:
    """As a registry has it from somebody whose compressor is another one."""
    return gzip.compress(content, 9)


def test_makes_the_delta_from_the_layer_that_it_resembles(tmp_path: Path, signer: Signer, base: Bundle) -> None:
    made = make(tmp_path / "b", signer, [NEW], "beside", [base])
    (delta,) = made.deltas.deltas
    assert delta.base_diff_id == f"sha256:{images.sha256(OLD)}"
    assert (delta.diff_id, delta.unpacked, delta.restore) == (f"sha256:{images.sha256(NEW)}", len(NEW), "gzip")
    assert (delta.bundle, delta.bundle_name) == (base.id, "base")
    assert delta.delta_size < 0.05 * delta.size
    assert verify_blobs(made) == []
    assert {_layout.blob_name(delta.digest), _layout.blob_name(delta.delta)} <= set(made.sums)


def test_a_layer_too_small_to_tell_is_tried_with_the_nearest(tmp_path: Path, signer: Signer) -> None:
    content = random.Random(9).randbytes(5000)
    base = make(tmp_path / "base", signer, [FOREIGN, layer(content)], "none")
    made = make(tmp_path / "b", signer, [layer(content, b"more")], "instead", [base])
    assert [delta.base_diff_id for delta in made.deltas.deltas] == [f"sha256:{images.sha256(layer(content))}"]


NONE: list[t.Any] = [
    pytest.param([FOREIGN], 0.5, id="a layer that the base has"),
    pytest.param([layer(text(5))], 0.5, id="a layer that resembles none"),
    pytest.param([layer(random.Random(9).randbytes(5000))], 0.5, id="a small layer that resembles none"),
    pytest.param([layer(b"tiny")], 0.5, id="a layer that is smaller than its entry"),
    pytest.param([NEW], 0.001, id="a delta above the limit"),
]


@pytest.mark.parametrize(("layers", "limit"), NONE)
def test_makes_no_delta(tmp_path: Path, signer: Signer, base: Bundle, layers: list[bytes], limit: float) -> None:
    made = make(tmp_path / "b", signer, layers, "instead", [base], limit)
    assert made.deltas == Deltas("instead", limit, (base.id,), ())
    assert sorted(os.listdir(tmp_path)) == ["b", "base"]


@pytest.mark.parametrize("name", ["b", "b.tar"], ids=["directory", "tar"])
def test_a_delta_alone_becomes_the_layer_again(tmp_path: Path, signer: Signer, base: Bundle, name: str) -> None:
    made = make(tmp_path / name, signer, [NEW], "instead", [base])
    full = make(tmp_path / "full", signer, [NEW], "none")
    (delta,) = made.deltas.deltas
    assert _layout.blob_name(delta.digest) not in made.sums
    assert verify_blobs(made) == []
    found = pool(tmp_path, made, base)
    found.check([Need(NAME, delta.digest)], "Host shop1")
    assert found.footprint(made.images[0].layers[0]).unpacked == int(len(NEW) * USUAL_EXPANSION)
    assert not (tmp_path / "restored").exists()
    home = found.home(delta.digest)
    blob = _layout.blob_name(delta.digest)
    assert home.files.sizes() == {blob: delta.size}
    assert b"".join(home.files.chunks(blob)) == b"".join(full.files.chunks(blob))
    assert home.sums[blob] == full.sums[blob]
    assert sorted(os.listdir(tmp_path)) == sorted(["base", name, "full", "restored"])


def test_a_delta_whose_base_is_not_given_names_the_bundle_that_has_it(
    tmp_path: Path, signer: Signer, base: Bundle
) -> None:
    made = make(tmp_path / "b", signer, [NEW], "instead", [base])
    need = Need(NAME, made.deltas.deltas[0].digest)
    with pytest.raises(BundleError, match=rf"Host shop1 lacks layer {need.digest}.*bundle base \({base.id}\)"):
        pool(tmp_path, made).check([need], "Host shop1")


def test_the_full_layer_of_another_bundle_comes_first(tmp_path: Path, signer: Signer, base: Bundle) -> None:
    made = make(tmp_path / "b", signer, [NEW], "instead", [base])
    full = make(tmp_path / "full", signer, [NEW], "none")
    assert pool(tmp_path, made, base, full).home(made.deltas.deltas[0].digest) is full


def test_a_layer_that_cannot_be_compressed_again_stays(tmp_path: Path, signer: Signer, base: Bundle) -> None:
    with _bundle_writer.work_directory(str(tmp_path / "b")) as work:
        store = BlobStore(work)
        stored = store.add_layer(io.BytesIO(gz(NEW)), "a registry's layer")
        asked = Deltas("instead", 0.5, (base.id,))
        (delta,) = make_deltas(store, [stored], asked, [base], run_program).deltas
        assert delta.restore == ""
        store.remove_unused()
        assert os.path.exists(store.path(stored.blob.digest))


def test_the_same_input_makes_the_same_bundle(tmp_path: Path, signer: Signer, base: Bundle) -> None:
    for name in ("one.tar", "two.tar"):
        make(tmp_path / name, signer, [NEW], "instead", [base])
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def change(path: Path, **changes: t.Any) -> None:
    """Change the first delta of a bundle."""
    document = json.loads((path / "deltas.json").read_text())
    for key, value in changes.items():
        place, _dot, name = key.partition("_of_")
        (document["deltas"][0][name] if name else document["deltas"][0])[place] = value
    (path / "deltas.json").write_text(json.dumps(document))


HOSTILE: list[t.Any] = [
    pytest.param({"memory": 1 << 40}, "asks for 1099511627776 bytes of memory", id="much memory"),
    pytest.param({"size_of_delta": 1}, "is missing from bundle .*, or has another size", id="another size of the delta"),
    pytest.param({"digest_of_delta": "sha256:" + "0" * 64}, "is missing from bundle", id="no such delta"),
    pytest.param({"digest_of_target": "sha256:" + "0" * 64}, "is no layer of the bundle", id="for no layer"),
    pytest.param({"size_of_target": 1}, "is no layer of the bundle", id="another size of the target"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "problem"), HOSTILE)
def test_a_signed_bundle_with_a_delta_that_lies_is_not_opened(
    tmp_path: Path, signer: Signer, base: Bundle, changes: dict[str, t.Any], problem: str
) -> None:
    make(tmp_path / "b", signer, [NEW], "instead", [base])
    change(tmp_path / "b", **changes)
    bundles.seal(tmp_path / "b", signer)
    with pytest.raises(BundleError, match=problem):
        load(tmp_path / "b", signer)


def test_a_layer_that_is_there_although_it_should_not_be(tmp_path: Path, signer: Signer, base: Bundle) -> None:
    make(tmp_path / "b", signer, [NEW], "beside", [base])
    text_of = (tmp_path / "b" / "deltas.json").read_text()
    (tmp_path / "b" / "deltas.json").write_text(text_of.replace('"mode":"beside"', '"mode":"instead"'))
    bundles.seal(tmp_path / "b", signer)
    with pytest.raises(BundleError, match="though it says that it was left out"):
        load(tmp_path / "b", signer)


LIES: list[t.Any] = [
    pytest.param({"unpacked": 10}, "does not make a layer of 10 bytes", id="bomb: more than announced"),
    pytest.param({"base_unpacked": 10}, "more than the 10 bytes that were announced", id="base is larger"),
    pytest.param({"memory": 10_000_000}, "does not make a layer", id="needs more memory than it says"),
    pytest.param({"diff_id": "sha256:" + "0" * 64}, "restored from its delta in bundle .* is not sha256:0", id="another layer"),
    pytest.param({"restore": "tar"}, "restored from its delta in bundle .* is not", id="another compression"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "problem"), LIES)
def test_a_delta_that_lies_restores_nothing(
    tmp_path: Path, signer: Signer, base: Bundle, changes: dict[str, t.Any], problem: str
) -> None:
    made = make(tmp_path / "b", signer, [NEW], "instead", [base])
    delta = dataclasses.replace(made.deltas.deltas[0], **changes)
    with pytest.raises(BundleError, match=problem):
        Restorer(str(tmp_path / "restored"), run_program).restore(delta, made, base)
    assert os.listdir(tmp_path / "restored" / "blobs" / "sha256") == []
    assert sorted(os.listdir(tmp_path)) == ["b", "base", "restored"]


def test_a_damaged_delta_is_verified_before_it_is_applied(tmp_path: Path, signer: Signer, base: Bundle) -> None:
    made = make(tmp_path / "b", signer, [NEW], "instead", [base])
    (delta,) = made.deltas.deltas
    bundles.flip(tmp_path / "b" / _layout.blob_name(delta.delta))
    with pytest.raises(BundleError, match=f"The delta of {delta.digest} is not {delta.delta}"):
        pool(tmp_path, made, base).home(delta.digest)
    assert next(error.problem for error in verify_blobs(made)).endswith(f"(it belongs to {NAME})")
