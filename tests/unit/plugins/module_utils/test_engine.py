# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engine, through the Docker SDK, against a server that speaks its API: what engines say, and what they hide."""

from __future__ import annotations

import socket
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _engine
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._docker_archive import read_archive
from ansible_collections.airlift.registry.plugins.module_utils._engine import CONTAINERD_STORE, Engine
from ansible_collections.airlift.registry.plugins.module_utils._errors import EngineError, HostError
from ansible_collections.airlift.registry.tests.unit.plugins.support import images
from ansible_collections.airlift.registry.tests.unit.plugins.support.servers import EngineState, engine_server

ID, DIFF = "sha256:" + "1" * 64, "sha256:" + "2" * 64
IMAGE = {
    "Id": ID,
    "RepoTags": ["app:v1", "registry.example.com/app:v1"],
    "RootFS": {"Type": "layers", "Layers": [DIFF]},
}
CONTAINERD = {"DriverStatus": [["driver-type", CONTAINERD_STORE]], "Driver": "overlayfs"}
READY = {"ID": "sha256:" + "4" * 64, "Kind": "image", "Available": True, "ImageData": {"Size": {"Unpacked": 100}}}


@pytest.fixture
def state() -> EngineState:
    return EngineState(images={ID: dict(IMAGE)})


@pytest.fixture
def engine(state: EngineState, tmp_path: Path) -> t.Iterator[Engine]:
    with engine_server(tmp_path, state) as host:
        yield Engine(host, 5)


def test_says_what_it_is(engine: Engine) -> None:
    found = engine.description()
    assert (found["product"], found["platform"], found["store"]) == ("docker", "linux/amd64", "graph")
    assert found["storage_path"] == "/var/lib/docker"


@pytest.mark.parametrize(
    ("info", "key", "expected"),
    [
        pytest.param({"BuildahVersion": "1.28.2"}, "product", "podman", id="podman"),
        pytest.param({"Architecture": "armv7l"}, "platform", "linux/arm/v7", id="a machine by the kernel's name"),
        pytest.param(CONTAINERD, "storage_path", "/var/lib/containerd", id="containerd of the host"),
        pytest.param(
            {**CONTAINERD, "Containerd": {"Address": "/run/containerd/containerd.sock"}}, "storage_path",
            "/var/lib/containerd", id="containerd of the host, by its address",
        ),
        pytest.param(
            {**CONTAINERD, "Containerd": {"Address": "/var/run/docker/containerd/containerd.sock"}}, "storage_path",
            "/var/lib/docker", id="containerd of the engine's own",
        ),
        pytest.param(
            {"Containerd": {"Address": "/run/containerd/containerd.sock"}}, "storage_path", "/var/lib/docker",
            id="a graph driver beside containerd",
        ),
    ],
)  # fmt: skip
def test_says_what_it_is_by_what_it_answers(tmp_path: Path, info: dict[str, t.Any], key: str, expected: str) -> None:
    with engine_server(tmp_path, EngineState(images={}, info=info)) as host:
        assert Engine(host, 5).description()[key] == expected


def test_lists_images_by_full_names(engine: Engine) -> None:
    assert engine.images() == [
        {
            "id": ID,
            "tags": ["docker.io/library/app:v1", "registry.example.com/app:v1"],
            "digests": [],
            "layers": [DIFF],
            "engine_size": 0,
            "manifests": [],
            "whole": True,
        }
    ]


def test_knows_no_image_of_another_name(engine: Engine) -> None:
    assert engine.inspect("nothing:v1") is None


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"RepoTags": ["<none>:<none>"]}, id="without a name"),
        pytest.param({"RepoTags": None}, id="without a list of names"),
    ],
)
def test_images_may_have_no_name(engine: Engine, state: EngineState, changes: dict[str, t.Any]) -> None:
    state.images[ID].update(changes)
    assert engine.images()[0]["tags"] == []


@pytest.mark.parametrize("layers", [None, []])
def test_an_image_without_layers_is_not_whole(engine: Engine, state: EngineState, layers: list[str] | None) -> None:
    state.images[ID]["RootFS"] = {"Type": "layers", "Layers": layers}
    assert [image["whole"] for image in engine.images()] == [False]


@pytest.mark.parametrize(
    ("manifests", "whole"),
    [
        pytest.param([READY], True, id="available and unpacked"),
        pytest.param([{**READY, "Available": False}], False, id="blobs are missing"),
        pytest.param([{**READY, "ImageData": {"Size": {"Unpacked": 0}}}], False, id="not unpacked"),
        pytest.param([{**READY, "Kind": "attestation"}], False, id="no image"),
        pytest.param([], False, id="nothing"),
        pytest.param([{**READY, "Available": False}, READY], True, id="one platform of two"),
    ],
)
def test_a_containerd_store_is_asked_for_more(tmp_path: Path, manifests: list[t.Any], whole: bool) -> None:
    state = EngineState(images={ID: {**IMAGE, "Manifests": manifests}}, info=CONTAINERD, api_version="1.48")
    with engine_server(tmp_path, state) as host:
        engine = Engine(host, 5)
        assert engine.description()["store"] == "containerd"
        (image,) = engine.images()
        assert (image["whole"], image["manifests"]) == (whole, [READY["ID"]] if whole else [])


def test_loads_what_is_streamed(engine: Engine, state: EngineState) -> None:
    state.load_messages = [{"stream": "Loaded image: app:v1\n"}]
    assert engine.load(iter([b"abc", b"def"])) == ["Loaded image: app:v1"]
    assert state.loaded == b"abcdef"


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        pytest.param(
            [{"errorDetail": {"message": "no space left"}, "error": "no space left"}], 200, id="an error in the answer"
        ),
        pytest.param([{"stream": "Error unpacking image: no space left"}], 200, id="an error that looks like news"),
        pytest.param([], 500, id="an error by its status"),
    ],
)
def test_a_load_that_failed_is_an_error(engine: Engine, state: EngineState, messages: list[t.Any], status: int) -> None:
    state.load_messages, state.load_status = messages, status
    with pytest.raises(EngineError, match=r"unix://.*docker\.sock .*load the images") as error:
        engine.load(iter([b"abc"]))
    assert "journalctl -u docker" in error.value.next_step


@pytest.mark.parametrize("product", ["docker", "podman"])
def test_the_next_step_is_about_the_service_at_that_address(tmp_path: Path, product: str) -> None:
    place = tmp_path / product
    with pytest.raises(EngineError) as error:
        Engine(f"unix://{place}/{product}.sock", 1)
    assert f"systemctl start {product})" in error.value.next_step
    place.mkdir()
    with engine_server(place, EngineState(load_status=500)) as host, pytest.raises(EngineError) as error:
        Engine(host, 5).load(iter([b"abc"]))
    assert f"journalctl -u {product})" in error.value.next_step


def test_a_file_that_vanishes_while_it_is_loaded_is_an_error(engine: Engine) -> None:
    def archive() -> t.Iterator[bytes]:
        yield b"abc"
        raise FileNotFoundError(2, "No such file or directory", "/var/lib/airlift/staging/abc")

    with pytest.raises(EngineError, match="load the images"):
        engine.load(archive())


def test_an_engine_may_be_silent_for_long_while_it_loads(
    engine: Engine, state: EngineState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as it answers others."""
    alive = threading.Semaphore(0)
    monkeypatch.setattr(_engine, "_WATCH_PAUSE", 0.01)
    state.load_messages = [{"stream": "Loaded image: app:v1\n"}]
    state.on_load = lambda: [alive.acquire(timeout=10) for _ in range(3)]
    state.on_ping = alive.release
    assert engine.load(iter([b"abc"])) == ["Loaded image: app:v1"]


def test_an_engine_that_hangs_while_it_loads_is_an_error(
    tmp_path: Path, state: EngineState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before the time is over that a load may take."""
    end = threading.Event()
    monkeypatch.setattr(_engine, "_WATCH_PAUSE", 0.01)
    state.on_load = state.on_ping = end.wait
    with engine_server(tmp_path, state) as host:
        engine = Engine(host, 1)
        with pytest.raises(EngineError, match=f"{host} did not answer while it loaded the images within 1 s") as error:
            engine.load(iter([b"abc"]))
        end.set()
    assert "systemctl restart docker" in error.value.next_step


def test_an_engine_that_dies_while_it_loads_is_an_error(engine: Engine, state: EngineState) -> None:
    state.dies_of_load = True
    with pytest.raises(EngineError, match="did not load the images: Remote end closed connection") as error:
        engine.load(iter([b"abc"]))
    assert "journalctl -u docker" in error.value.next_step


def test_saves_images(engine: Engine, state: EngineState, tmp_path: Path) -> None:
    state.archive = images.tar(images.blobs_archive(images.Saved([images.layer("base")])))
    with engine.save(["app:v1"]) as stream:
        (found,) = read_archive(stream, BlobStore(str(tmp_path / "store")), "docker save app:v1")
    assert found.tags == ("docker.io/library/app:v1",)


def test_an_engine_that_dies_while_it_saves_is_an_error(engine: Engine, state: EngineState, tmp_path: Path) -> None:
    state.archive = images.tar(images.blobs_archive(images.Saved([images.layer("base" * 5000)])))
    state.cut_archive = True
    with pytest.raises(EngineError, match="did not save app:v1"), engine.save(["app:v1"]) as stream:
        read_archive(stream, BlobStore(str(tmp_path / "store")), "docker save app:v1")


@pytest.mark.parametrize(
    ("broken", "ask"),
    [
        pytest.param("/images/json", lambda engine: engine.images(), id="list"),
        pytest.param("/images/app", lambda engine: engine.inspect("app:v1"), id="inspect"),
    ],
)
def test_an_error_of_the_engine_names_the_task(
    engine: Engine, state: EngineState, broken: str, ask: t.Callable[[Engine], t.Any]
) -> None:
    state.broken = broken
    with pytest.raises(EngineError, match="something is broken"):
        ask(engine)


def test_says_that_no_engine_is_there(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="did not answer") as error:
        Engine(f"unix://{tmp_path}/docker.sock", 1)
    assert "systemctl start docker" in error.value.next_step
    assert "docker_host" in error.value.next_step


def test_waits_no_longer_than_it_was_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "docker.sock"))
        silent.listen()
        with pytest.raises(EngineError, match="did not answer within 1 s") as error:
            Engine(f"unix://{tmp_path}/docker.sock", 1)
    assert "systemctl restart docker" in error.value.next_step


@pytest.mark.parametrize("host", ["nonsense", "ftp://x", "unix:"])
def test_an_address_that_is_none_is_an_error(host: str) -> None:
    with pytest.raises((EngineError, HostError)):
        Engine(host, 1)


def test_says_that_the_sdk_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_engine, "docker", None)
    monkeypatch.setattr(_engine, "SDK_ERROR", "No module named 'docker'")
    with pytest.raises(HostError, match=r"Docker SDK for Python is missing .*No module named 'docker'") as error:
        Engine("unix:///var/run/docker.sock", 1)
    assert "python3-docker" in error.value.next_step
