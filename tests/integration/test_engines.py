# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same journey on every engine: what is sent, what is there afterwards, and that it runs. docs/engines.md has the table.

All engines go through it at once, in one play; each test looks at one step on one engine.
"""

from __future__ import annotations

import typing as t
import uuid
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _bundle_writer
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed
from ansible_collections.airlift.registry.plugins.module_utils._reference import parse_source
from ansible_collections.airlift.registry.plugins.module_utils._source import Wanted
from ansible_collections.airlift.registry.plugins.module_utils._source_layout import LayoutSource
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.integration.support.engines import (
    AS_USER,
    ENGINES,
    ROOTLESS,
    Engines,
    travelled,
)
from ansible_collections.airlift.registry.tests.integration.support.faults import trusting
from ansible_collections.airlift.registry.tests.integration.support.play import Result, Task, task
from ansible_collections.airlift.registry.tests.integration.support.twists import Archive, plain
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

LIBRARY = "docker.io/library"
APP1, APP2, CURRENT, TOOL = (f"{LIBRARY}/{name}" for name in ("app:v1", "app:v2", "app:current", "tool:v1"))
SEVERAL, FOREIGN, REPLACED, SOME = (f"{LIBRARY}/{name}:v1" for name in ("several", "foreign", "replaced", "some"))
BASE, OTHER = images.layer("matrix base"), images.layer("matrix other base")
SAY = {"config": {"Cmd": ["/say"]}}

Contents = t.Mapping[str, t.Sequence[bytes]]


def application(text: str) -> list[bytes]:
    return [BASE, images.runnable(text)]


@dataclass
class Bundles:
    """The bundles of the journey, and the images in them by bundle and name."""

    directory: Path
    signer: Signer
    packed: dict[str, dict[str, Packed]] = field(default_factory=dict)

    def make(self, name: str, fill: t.Callable[[BlobStore], t.Sequence[Packed]]) -> None:
        path = self.directory / name
        with _bundle_writer.work_directory(str(path)) as work:
            store = BlobStore(work)
            packed = fill(store)
            _bundle_writer.write_bundle(store, packed, str(path), str(self.signer.key), run_program)
        self.packed[name] = {entry.image.name: entry for entry in reversed(packed)}

    def take(self, name: str, source: str, image: str, platforms: list[str]) -> None:
        """Make a bundle with some platforms of an image of another bundle, which is an OCI layout."""
        wanted = Wanted(image, parse_source(f"oci:{self.directory / source}:{image}"), tuple(platforms))
        kind = LayoutSource()
        self.make(name, lambda store: kind.fetch([wanted], {wanted: kind.identify(wanted)}, store))

    def arguments(self, name: str) -> dict[str, t.Any]:
        return {"path": [str(self.directory / name)], "allowed_signers": str(self.signer.allowed_signers)}


@pytest.fixture(scope="module")
def made(signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    made = Bundles(tmp_path_factory.mktemp("bundles"), signer)

    def fill(contents: Contents) -> t.Callable[[BlobStore], list[Packed]]:
        return lambda store: [bundles.pack(store, name, layers, **SAY) for name, layers in contents.items()]

    made.make("first", fill({APP1: application("app one"), TOOL: application("tool")}))
    made.make("update", fill({APP2: application("app two"), CURRENT: application("app two")}))
    made.make("moved", fill({APP1: application("app one again")}))
    for name in ("old", "new", "newest"):
        made.make(name, fill({REPLACED: [BASE, images.layer(name)]}))
    made.make("foreign", lambda store: [bundles.pack(store, FOREIGN, [OTHER], architecture="arm64")])
    platforms = {"linux/amd64": [OTHER, images.runnable("several")], "linux/arm64": [OTHER, images.layer("arm64")]}
    three = {"linux/amd64": [OTHER, images.runnable("some")], "linux/arm64": [BASE], "linux/s390x": [OTHER]}
    made.make("several", lambda store: bundles.pack_index(store, SEVERAL, platforms, b'{"predicate": {}}'))
    made.make("three", lambda store: bundles.pack_index(store, SOME, three))
    made.take("some", "three", SOME, ["linux/amd64", "linux/arm64"])
    return made


STEPS = (
    "cold", "run cold", "run by reference", "again", "unname", "retag", "update", "run update", "update again",
    "moved", "run moved", "moved again", "several", "run several", "run several by reference", "several again", "foreign", "by id", "list",
    "foreign by choice", "foreign again", "some", "run some", "some again",
    "old", "replace, predicted", "replace", "replace again", "use", "replace what is used", "stop using", "list in the end",
)  # fmt: skip


def steps(made: Bundles, options: dict[str, t.Any], docker: str) -> list[Task]:
    """The tasks of the journey, one for each of STEPS."""

    def preload(name: str, **more: t.Any) -> Task:
        return task("image_preload", {**made.arguments(name), **options, **more})

    def say(command: str) -> Task:
        return {"name": command, "ansible.builtin.shell": f"{docker} {command}", "changed_when": False}

    def run(name: str) -> Task:
        return say(f"run --rm --network none {name}")

    first, remove = made.packed["first"][APP1].image, {"replaced": "remove"}
    return [
        {**preload("first"), "register": "cold"}, run(APP1), run("{{ cold.images[0].reference }}"), preload("first"),
        say(f"tag {APP1} {LIBRARY}/kept:v1 && {docker} rmi {APP1}"), preload("first"),
        preload("update"), run(CURRENT), preload("update"),
        preload("moved"), run(APP1), preload("moved"),
        {**preload("several"), "register": "several"}, run(f"{SEVERAL} /say"),
        run("{{ several.images[0].reference }} /say"), preload("several"),
        preload("foreign"),
        run(f"--pull never {LIBRARY}/kept@{first.manifest.digest} || {docker} run --rm --network none {first.config.digest}"),
        say("images --all --no-trunc --format '{% raw %}{{.Repository}}:{{.Tag}}{% endraw %}'"),
        preload("foreign", platform="linux/arm64"), preload("foreign", platform="linux/arm64"),
        preload("some"), run(f"{SOME} /say"), preload("some"),
        preload("old"), {**preload("new", **remove), "check_mode": True, "diff": True},
        {**preload("new", **remove), "diff": True}, preload("new", **remove),
        say(f"create --name user {REPLACED} /say"), preload("newest", **remove), say("rm user"),
        say("images --all --no-trunc --quiet"),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def journey(engines: Engines, made: Bundles, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Result]]:
    """The result of each step by engine."""
    for name in ENGINES:
        clean(engines, name)
    ansible = engines.ansible(tmp_path_factory.mktemp("journey"))
    return travelled(ansible, STEPS, partial(steps, made))


def clean(engines: Engines, name: str) -> None:
    """As if nothing had ever been preloaded."""
    engines.lab.run(ENGINES[name].host, "rm -rf /var/lib/airlift /home/ops/staging /home/ops/preloaded.json")
    engine = engines.connect(name)
    for image in engine.images():
        for reference in image["tags"] or [image["id"]]:
            engine.untag(reference)


@pytest.fixture(params=ENGINES)
def name(request: pytest.FixtureRequest) -> str:
    return t.cast(str, request.param)


@pytest.fixture
def went(journey: dict[str, dict[str, Result]], name: str) -> dict[str, Result]:
    """How the journey went on one engine."""
    return journey[name]


def actions(result: Result) -> list[str]:
    assert not result.get("failed"), result
    return [image["action"] for image in result["images"]]


def lacking(result: Result) -> int:
    """Bytes of the layers that the plan wanted sent, each once."""
    layers = {
        layer["digest"]: layer for image in result["images"] for layer in image["layers"] if layer["action"] == "send"
    }
    return sum(layer["size"] for layer in layers.values())


def test_cold_the_images_come_with_each_layer_once(went: dict[str, Result], made: Bundles) -> None:
    cold = went["cold"]
    assert actions(cold) == ["load", "load"]
    layers = {layer.blob for packed in made.packed["first"].values() for layer in packed.image.layers}
    assert len(layers) == 3
    assert cold["bytes_sent"] == sum(blob.size for blob in layers)
    assert went["run cold"]["stdout"] == "app one"


@pytest.mark.parametrize("step", ["again", "update again", "moved again", "several again"])
def test_again_nothing_is_done(went: dict[str, Result], step: str) -> None:
    assert set(actions(went[step])) == {"present"}
    assert (went[step]["changed"], went[step]["bytes_sent"]) == (False, 0)


def test_a_name_comes_back_without_a_byte(went: dict[str, Result]) -> None:
    assert actions(went["retag"]) == ["retag", "present"]
    assert (went["retag"]["changed"], went["retag"]["bytes_sent"]) == (True, 0)


def test_an_update_sends_what_is_missing(went: dict[str, Result], made: Bundles) -> None:
    """One image under two names: its layer that the engine lacks, once."""
    image = made.packed["update"][APP2].image
    assert actions(went["update"]) == ["load", "load"]
    assert went["update"]["bytes_sent"] == lacking(went["update"]) == image.layers[-1].blob.size
    assert went["run update"]["stdout"] == "app two"


def test_a_name_moves_to_another_image(went: dict[str, Result], made: Bundles, name: str) -> None:
    (moved,) = went["moved"]["images"]
    before = made.packed["first"][APP1].image
    assert moved["before"] == (before.manifest if ENGINES[name].kind == "containerd" else before.config).digest
    assert (moved["action"], went["run moved"]["stdout"]) == ("load", "app one again")


def test_the_image_that_had_the_name_stays_unless_it_is_asked_to_go(went: dict[str, Result]) -> None:
    (moved,) = went["moved"]["images"]
    kept = {"id": moved["before"], "action": "keep", "reason": "replaced images are kept", "bytes_freed": None}
    assert moved["replaced"] == kept


def test_the_image_that_had_the_name_goes(went: dict[str, Result], name: str) -> None:
    """As was predicted, with the engine's word for the bytes; a second run knows of none."""
    old = went["old"]["images"][0]["id"]
    predicted, replaced, again = (went[step] for step in ("replace, predicted", "replace", "replace again"))
    assert {result["images"][0]["replaced"]["action"] for result in (predicted, replaced)} == {"remove"}, replaced
    assert predicted["diff"] == replaced["diff"]
    assert (replaced["diff"]["before"][old], replaced["diff"]["after"][old]) == ("there", "removed")
    assert old not in went["list in the end"]["stdout"]
    assert replaced["images"][0]["replaced"]["bytes_freed"] is not None
    assert (again["changed"], again["images"][0]["replaced"]) == (False, None)


def test_an_image_that_a_container_uses_stays(went: dict[str, Result]) -> None:
    """Though the container does not run. Its name moves all the same."""
    used, after = went["replace"]["images"][0]["id"], went["replace what is used"]
    expected = {"id": used, "action": "keep", "reason": "container user uses it", "bytes_freed": None}
    assert (after["changed"], after["images"][0]["replaced"]) == (True, expected)
    assert used in went["list in the end"]["stdout"]


def test_of_several_platforms_comes_the_engines_own(went: dict[str, Result], made: Bundles, name: str) -> None:
    """From an index with another platform and an attestation. Containerd's store has it under the digest of the index."""
    (said,) = went["several"]["images"]
    image, kind = made.packed["several"][SEVERAL].image, ENGINES[name].kind
    assert said["digest"] == image.manifest.digest
    assert said["id"] == (image.target if kind == "containerd" else image.config).digest
    assert went["run several"]["stdout"] == went["run several by reference"]["stdout"] == "several"


def test_another_platform_is_refused_in_words(went: dict[str, Result]) -> None:
    refused = went["foreign"]
    assert refused["failed"]
    assert f"{FOREIGN} is for linux/arm64, and this host's engine runs linux/amd64" in refused["msg"], refused["msg"]


def test_another_platform_comes_by_choice(went: dict[str, Result], made: Bundles, name: str) -> None:
    """On containerd's store too, which is told to unpack it."""
    loaded, again = went["foreign by choice"], went["foreign again"]
    image = made.packed["foreign"][FOREIGN].image
    assert actions(loaded) == ["load"]
    assert loaded["images"][0]["id"] == (image.manifest if ENGINES[name].kind == "containerd" else image.config).digest
    assert (actions(again), again["changed"]) == (["present"], False)


def test_of_an_index_that_lacks_platforms_comes_the_engines_own(
    went: dict[str, Result], made: Bundles, name: str
) -> None:
    """The bundle has two of three platforms, so its index is not the one of the source."""
    (said,) = went["some"]["images"]
    image = made.packed["some"][SOME].image
    assert image.target.digest != made.packed["three"][SOME].image.target.digest
    assert said["id"] == (image.target if ENGINES[name].kind == "containerd" else image.config).digest
    assert (went["run some"]["stdout"], actions(went["some again"])) == ("some", ["present"])


def test_an_image_runs_by_its_digest_with_no_registry_in_reach(went: dict[str, Result], name: str) -> None:
    """By the registry's digest, but on graph drivers: there that is in vain, and the image ID does it."""
    assert went["by id"]["stdout"] == "app one"
    in_vain = bool(went["by id"]["stderr"])
    assert in_vain == (ENGINES[name].kind == "graph"), went["by id"]["stderr"]


@pytest.mark.parametrize("step", ["cold", "again"])
def test_each_image_says_by_what_it_can_be_named_for_good(
    went: dict[str, Result], made: Bundles, name: str, step: str
) -> None:
    """The repository with the registry's digest, and on graph drivers the image ID; both run."""
    image, is_graph = made.packed["first"][APP1].image, ENGINES[name].kind == "graph"
    said = went[step]["images"][0]
    expected = image.config.digest if is_graph else f"{LIBRARY}/app@{image.manifest.digest}"
    assert (said["by_digest"], said["reference"]) == (not is_graph, expected)
    assert went["run by reference"]["stdout"] == "app one"


def test_nothing_else_is_left(went: dict[str, Result]) -> None:
    names = Counter(line for line in went["list"]["stdout"].splitlines() if not line.startswith("<none>"))
    assert names == Counter(["app:v1", "app:v2", "app:current", "tool:v1", "kept:v1", "several:v1"])


@pytest.mark.parametrize("name", ["docker-28.5-containerd", "docker-29", "podman", "podman-rootless"])
def test_what_an_engine_refuses_without_its_layers_is_sent_whole(
    journey: dict[str, dict[str, Result]], engines: Engines, made: Bundles, name: str, tmp_path: Path
) -> None:
    """The engine has the base, in another compression: podman says so, and on containerd's store the proof finds a hollow image."""
    base = images.layer(f"unknown base {uuid.uuid4()}")
    reference, other = f"{LIBRARY}/unknown:v1", Archive(f"{LIBRARY}/unknown:base", [base], plain)
    made.make(f"unknown {name}", lambda store: [bundles.pack(store, reference, [base, images.layer("top")])])
    engines.connect(name).load(iter([other.data()]))
    host, rootless = ENGINES[name].host, ENGINES[name].socket == ROOTLESS
    arguments = {**made.arguments(f"unknown {name}"), **(AS_USER if rootless else {})}
    ansible = engines.ansible(tmp_path)
    predicted, loaded, again = (
        result[host]
        for check in (["--check"], [])
        for result in ansible.play(
            host, [task("image_preload", arguments, become=not rootless)] * (2 - len(check)), *check
        )
    )
    assert [run["changed"] for run in (predicted, loaded, again)] == [True, True, False], loaded
    assert "refused the images without layers that it has" in loaded["warnings"][0]
    layers = made.packed[f"unknown {name}"][reference].image.layers
    assert predicted["bytes"]["send"] == layers[-1].blob.size
    assert loaded["bytes_sent"] == sum(layer.blob.size for layer in layers)
    found = engines.connect(name).inspect(reference)
    assert found is not None
    assert (found["id"], found["whole"]) == (loaded["images"][0]["id"], True)


@pytest.mark.parametrize("name", ["docker-28.5-containerd", "docker-29", "podman"])
def test_what_must_be_sent_whole_and_is_in_another_bundle(
    engines: Engines, signer: Signer, name: str, tmp_path: Path
) -> None:
    """The same with an incremental bundle, which lacks the base: the error names the bundle that has it. With both it goes through."""
    base, reference = images.layer(f"left out {uuid.uuid4()}"), f"{LIBRARY}/left:out"
    first, second = tmp_path / "first", tmp_path / "second"
    bundles.make_bundle(first, signer, {f"{LIBRARY}/left:first": [base]})
    (packed,) = bundles.make_bundle(second, signer, {reference: [base, images.layer("top")]}, [first])
    engine, host = engines.connect(name), ENGINES[name].host
    other = Archive(f"{LIBRARY}/left:base", [base], plain)
    engine.load(iter([other.data()]))
    before = {image["id"] for image in engine.images()}
    arguments = trusting(signer, second)
    both = {**arguments, "path": [str(second), str(first)], "images": ["left:out"]}
    refused, loaded = (
        result[host]
        for result in engines.ansible(tmp_path).play(
            host, [task("image_preload", arguments), task("image_preload", both)]
        )
    )
    layer = packed.image.layers[0].blob.digest
    assert refused["failed"]
    for text in (host, f"lacks layer {layer} of image {reference}", "What has it is bundle first (sha256:"):
        assert text in refused["msg"], refused["msg"]
    assert "Give bundle first (sha256:" in refused["next_step"]
    assert not loaded.get("failed"), loaded
    after = engine.inspect(reference)
    assert after is not None
    assert after["whole"]
    assert {image["id"] for image in engine.images()} == {*before, after["id"]}
    for tag in (other.name, reference):
        engine.untag(tag)


@pytest.fixture(scope="module")
def plain_tar(made: Bundles) -> Path:
    """A bundle in one file, of images that no other test has."""
    layers = images.layer("plain base")
    made.make(
        "plain.tar",
        lambda store: [
            bundles.pack(store, f"{LIBRARY}/{name}:v1", [layers, images.runnable(name)], **SAY)
            for name in ("plain", "simple")
        ],
    )
    return made.directory / "plain.tar"


def test_docker_load_alone_reads_a_bundle(engines: Engines, plain_tar: Path, name: str) -> None:
    """With nothing of ours on the host."""
    target = ENGINES[name]
    docker = f"docker -H unix://{target.socket}"
    engines.lab.copy(target.host, str(plain_tar), "/tmp/plain.tar")
    try:
        engines.lab.run(target.host, f"{docker} load -i /tmp/plain.tar")
        for image in ("plain", "simple"):
            assert engines.lab.run(target.host, f"{docker} run --rm --network none {LIBRARY}/{image}:v1") == image
    finally:
        engines.lab.run(
            target.host, f"rm /tmp/plain.tar; {docker} rmi {LIBRARY}/plain:v1 {LIBRARY}/simple:v1", check=False
        )
