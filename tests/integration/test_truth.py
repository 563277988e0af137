# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every engine makes of an archive with something wrong, and that we are never taken in: docs/truth.md has the table."""

from __future__ import annotations

import io
import tarfile
import typing as t
import uuid
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._archive import ArchiveImage, thin_archive
from ansible_collections.airlift.registry.plugins.module_utils._engine import Engine
from ansible_collections.airlift.registry.plugins.module_utils._errors import EngineError
from ansible_collections.airlift.registry.plugins.module_utils._image import Image
from ansible_collections.airlift.registry.plugins.module_utils._layout import blob_name
from ansible_collections.airlift.registry.plugins.module_utils._proof import prove
from ansible_collections.airlift.registry.tests.integration.support.engines import ENGINES, Engines
from ansible_collections.airlift.registry.tests.integration.support.play import task
from ansible_collections.airlift.registry.tests.integration.support.twists import TWISTS, Archive, gzipped, plain
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

# The engine says that it failed; it says nothing and has something else or nothing; the image is there, and right.
SAYS, SILENT, RIGHT = "says so", "silent", "right"
# What each kind of engine (graph, containerd, podman) makes of each archive, whatever its version and whatever the compression.
TABLE = {
    "nothing wrong": (RIGHT, RIGHT, RIGHT),
    "bytes after the end": (RIGHT, RIGHT, RIGHT),
    "a layer is missing": (SAYS, SAYS, SAYS),
    "a bit of a layer flipped": (SAYS, SAYS, SAYS),
    "a layer of another image": (SAYS, SAYS, SAYS),
    "config altered": (SILENT, SILENT, SILENT),
    "config missing": (SAYS, SILENT, SAYS),
    "config under another name": (RIGHT, RIGHT, RIGHT),
    "manifest altered": (RIGHT, SILENT, RIGHT),
    "manifest missing": (RIGHT, SILENT, RIGHT),
    "manifest.json has the layers reversed": (SAYS, RIGHT, RIGHT),
    "manifest.json has a layer less": (SAYS, RIGHT, RIGHT),
    "manifest.json has another name": (SILENT, RIGHT, RIGHT),
    "index.json has another name": (RIGHT, SILENT, SILENT),
    "half of it": (SAYS, SAYS, SAYS),
    "nearly all of it": (SAYS, SAYS, SAYS),
    "nothing": (SAYS, SAYS, SAYS),
    "noise": (SAYS, SAYS, SAYS),
}
KINDS = ("graph", "containerd", "podman")


@pytest.fixture(params=ENGINES)
def name(request: pytest.FixtureRequest) -> str:
    """An engine, by its name."""
    return t.cast(str, request.param)


@pytest.fixture
def engine(engines: Engines, name: str) -> Engine:
    return engines.connect(name)


@pytest.fixture
def store(name: str) -> str:
    """By what the engine calls an image."""
    return "containerd" if ENGINES[name].kind == "containerd" else "graph"


def outcome(engine: Engine, store: str, archive: Archive, data: bytes) -> str:
    """What comes of loading the data, which should be that archive."""
    try:
        engine.load(iter([data]))
    except EngineError:
        return SAYS
    try:
        prove(engine, archive.name, archive.id(store), archive.diff_ids, "the image")
    except EngineError:
        return SILENT
    return RIGHT


def top_file(engine: Engine, archive: Archive) -> str:
    """What a container of the image would read in the file of its upper layer."""
    container = engine._docker.create_container(archive.name, ["any"])
    try:
        stream, _stat = engine._docker.get_archive(container, "/etc/motd")
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as found:
            file = found.extractfile("motd")
            return file.read().decode() if file else ""
    finally:
        engine._docker.remove_container(container)


def forget(engine: Engine, *names: str) -> None:
    for name in names:
        engine.untag(name)


def cases() -> list[t.Any]:
    """Each twist; compressed too where it is in a layer."""
    compressed = ["nothing wrong", "a layer is missing", "a bit of a layer flipped", "a layer of another image"]
    pairs = [*((twist, plain) for twist in TABLE), *((twist, gzipped) for twist in compressed)]
    return [pytest.param(twist, encode, id=f"{twist} {encode.__name__}") for twist, encode in pairs]


@pytest.mark.parametrize(("twist", "encode"), cases())
def test_nothing_is_taken_for_what_it_is_not(
    engine: Engine, name: str, store: str, twist: str, encode: t.Callable[[bytes], bytes]
) -> None:
    """And a good archive mends whatever a bad one left."""
    # Content of its own in each run: containerd clears away what nobody names when it likes, also under a load.
    label = f"{twist} {encode.__name__} {uuid.uuid4()}"
    archive = Archive(
        f"airlift.invalid/truth:{images.sha256(label.encode())[:12]}",
        [images.layer(f"{label} base"), images.layer(f"{label} top")],
        encode,
    )
    try:
        assert outcome(engine, store, archive, TWISTS[twist](archive)) == TABLE[twist][KINDS.index(ENGINES[name].kind)]
        assert outcome(engine, store, archive, archive.data()) == RIGHT
        assert top_file(engine, archive) == f"{label} top"
    finally:
        forget(engine, archive.name, f"{archive.name}-other")


def test_the_table_has_every_twist() -> None:
    assert list(TABLE) == list(TWISTS)


def test_an_image_whose_config_lies_about_its_layers(engine: Engine, store: str) -> None:
    """All digests are right, so only unpacking tells."""
    layers = [images.layer("lied base"), images.layer("lied top")]
    archive = Archive("airlift.invalid/truth:lied", layers, config=images.config(layers[::-1]))
    try:
        assert outcome(engine, store, archive, archive.data()) != RIGHT
    finally:
        forget(engine, archive.name)


def test_a_damaged_copy_of_a_layer_that_is_there_does_no_harm(engine: Engine, store: str) -> None:
    base = images.layer("kept base")
    first = Archive("airlift.invalid/truth:kept1", [base, images.layer("kept one")])
    second = first.but(name="airlift.invalid/truth:kept2", layers=[base, images.layer("kept two")])
    damaged = second.with_file(second.blob_name(base), base.replace(b"kept base", b"kept bass"))
    try:
        assert outcome(engine, store, first, first.data()) == RIGHT
        assert outcome(engine, store, second, damaged.data()) == RIGHT
        assert top_file(engine, second) == "kept two"
    finally:
        forget(engine, first.name, second.name)


def test_an_image_that_runs_and_lacks_content(engine: Engine, name: str, store: str) -> None:
    """Its base is there in another compression: containerd unpacks it from what it has, and can never give it away again.

    Graph drivers go by what a layer unpacks to, and podman does not look for it when it does not know the blob.
    """
    expected = {"graph": RIGHT, "containerd": SILENT, "podman": SAYS}[ENGINES[name].kind]
    base = images.layer(f"hollow base {uuid.uuid4()}")
    first = Archive("airlift.invalid/truth:hollow1", [base, images.layer("hollow one")], plain)
    second = Archive("airlift.invalid/truth:hollow2", [base, images.layer("hollow two")], gzipped)
    thin = second.with_file(second.blob_name(gzipped(base)), None)
    try:
        assert outcome(engine, store, first, first.data()) == RIGHT
        assert outcome(engine, store, second, thin.data()) == expected
        if expected != SAYS:
            assert top_file(engine, second) == "hollow two"
        assert outcome(engine, store, second, second.data()) == RIGHT
    finally:
        forget(engine, first.name, second.name)


def test_a_bad_archive_takes_the_name_of_a_good_image_on_containerd(engine: Engine, store: str) -> None:
    """Which is why images are loaded under a temporary name."""
    good = Archive("airlift.invalid/truth:named", [images.layer("named base"), images.layer("named top")])
    bad = good.but(layers=[images.layer("named base"), images.layer("named bad")])
    try:
        assert outcome(engine, store, good, good.data()) == RIGHT
        assert outcome(engine, store, bad, TWISTS["a bit of a layer flipped"](bad)) == SAYS
        found = engine.inspect(good.name)
        assert (found is not None and found["id"] == good.id(store)) == (store != "containerd")
    finally:
        forget(engine, good.name)


@pytest.mark.parametrize("name", ["docker-28.5-containerd", "docker-29"])
def test_an_image_that_lacks_content_is_found_and_mended(
    engines: Engines, engine: Engine, name: str, signer: Signer, tmp_path: Path
) -> None:
    """Somebody else's load left it: the plan says so, and all of its layers are sent."""
    reference, host = "docker.io/library/hollow:v1", ENGINES[name].host
    layers = [images.layer(f"found base {uuid.uuid4()}"), images.layer("found top")]
    (packed,) = bundles.make_bundle(tmp_path / "bundle", signer, {reference: layers})
    archive = thin_copy_of(tmp_path / "bundle", packed.image, reference)
    base = Archive("airlift.invalid/truth:found", layers[:1], plain)
    arguments = {"path": [str(tmp_path / "bundle")], "allowed_signers": str(signer.allowed_signers)}
    try:
        engine.load(iter([base.data()]))
        engine.load(iter([archive]))
        found = engine.inspect(reference)
        assert found is not None
        assert (found["id"], found["whole"]) == (packed.image.manifest.digest, False)
        predicted = engines.ansible(tmp_path).preload(host, arguments, "--check")
        mended, again = (
            result[host] for result in engines.ansible(tmp_path).play(host, [task("image_preload", arguments)] * 2)
        )
        assert [run["changed"] for run in (predicted, mended, again)] == [True, True, False], mended
        assert mended["images"][0]["reason"] == "the engine lists this image and lacks some of it"
        assert mended["bytes_sent"] == sum(layer.blob.size for layer in packed.image.layers)
        found = engine.inspect(reference)
        assert found is not None
        assert found["whole"] is True
    finally:
        forget(engine, reference, base.name)


def thin_copy_of(bundle: Path, image: Image, name: str) -> bytes:
    """An archive of an image in a bundle without its lowest layer, as a careless tool would load it."""
    content = {blob: (bundle / blob_name(blob)).read_bytes() for blob in (image.manifest.digest, image.config.digest)}
    archived = ArchiveImage(name, content[image.manifest.digest], content[image.config.digest])
    top = image.layers[-1].blob.digest
    return b"".join(thin_archive([archived], {top: str(bundle / blob_name(top))}))
