# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's images: pulled by digest where a registry has what is pinned, built where it has not."""

from __future__ import annotations

import http.server
import socket
import subprocess
import threading
import typing as t
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support.lab import NAME, eventually, free_port, lab
from lab.images import BUILT, ORIGIN_LABEL, Images
from lab.recipes.recipe import Recipe
from lab.upstream import ANSWER_SECONDS, SETTING

# Whoever makes an image removes what was left of that name's builds, so each of several runs has names of its own.
THING = f"{NAME}-thing"
REGISTRY_CONTAINER = f"airlift-{NAME}-images"
CONFIG = """version: 0.1
storage: {{filesystem: {{rootdirectory: /var/lib/registry}}}}
http: {{addr: "{address}"}}
"""
ABSENT = "sha256:" + "0" * 64


def docker(*arguments: str, check: bool = True) -> str:
    return subprocess.run(["docker", *arguments], check=check, capture_output=True, text=True).stdout.strip()


def forget(pattern: str) -> None:
    for image in docker("image", "ls", "--quiet", pattern).split():
        docker("rmi", "--force", image, check=False)


def layers(image: str) -> str:
    return docker("image", "inspect", "--format", "{{.RootFS.Layers}}", image)


def origin(image: str) -> str:
    return docker("image", "inspect", "--format", f'{{{{index .Config.Labels "{ORIGIN_LABEL}"}}}}', image)


class Upstream(t.NamedTuple):
    """A registry that has one image: repository `thing`, in two versions."""

    address: str
    digest: str
    layers: str
    other_digest: str


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    lab("image", "registry")
    address, config = f"127.0.0.1:{free_port()}", tmp_path_factory.mktemp("registry") / "config.yml"
    config.write_text(CONFIG.format(address=address))
    docker("rm", "--force", "--volumes", REGISTRY_CONTAINER, check=False)
    docker(
        "run", "--detach", "--name", REGISTRY_CONTAINER, "--network", "host",
        "--volume", f"{config}:/etc/distribution/config.yml:ro", "airlift-lab/registry:3.1.2",
    )  # fmt: skip
    try:
        eventually(lambda: answers(address), "the registry")
        digest, wanted = push(tmp_path_factory.mktemp("one"), address, "one")
        other, _unwanted = push(tmp_path_factory.mktemp("two"), address, "two")
        yield Upstream(address, digest, wanted, other)
    finally:
        docker("rm", "--force", "--volumes", REGISTRY_CONTAINER)
        forget(f"{address}/*")


def answers(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as client:
        return client.connect_ex((host, int(port))) == 0


def push(context: Path, address: str, version: str) -> tuple[str, str]:
    """Push a small image and forget it here, so that having it again means that it was pulled; its digest and layers."""
    (context / "file").write_text(f"{address} {version}")
    (context / "Dockerfile").write_text("FROM scratch\nCOPY file /\n")
    name = f"{address}/thing:{version}"
    docker("build", "--quiet", "--tag", name, str(context))
    docker("push", name)
    digest = docker("image", "inspect", "--format", "{{index .RepoDigests 0}}", name).partition("@")[2]
    its_layers = layers(name)
    docker("rmi", "--force", docker("image", "inspect", "--format", "{{.Id}}", name))
    return digest, its_layers


class Bench(t.NamedTuple):
    """Recipes of the test's own, with a cache of their own."""

    directory: Path

    def recipe(self, name: str, upstream: str) -> Recipe:
        source = self.directory / name
        source.mkdir(parents=True)
        (source / "file").write_text(f"{self.directory} {name} built here")
        (source / "Dockerfile").write_text("FROM scratch\nCOPY file /\n")
        return Recipe(name, source, f"airlift-test/{name}:1", upstream=upstream)

    def ensure(self, *recipes: Recipe) -> list[str]:
        """Make the images; their references."""
        images = Images(self.directory / "cache", {recipe.name: recipe for recipe in recipes})
        return list(images.ensure([recipe.name for recipe in recipes]).values())


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.delenv(SETTING, raising=False)
    yield Bench(tmp_path)
    forget(f"airlift-test/{NAME}-*")


def test_what_is_pinned_is_pulled_and_not_built(
    upstream: Upstream, bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    pinned = f"{upstream.address}/thing:one@{upstream.digest}"
    recipe = bench.recipe(THING, pinned)
    [reference] = bench.ensure(recipe)
    assert (layers(reference), origin(reference)) == (upstream.layers, pinned)
    said = capfd.readouterr().err
    assert said.startswith(
        f"lab: {THING}: pulled {upstream.address}/thing@{upstream.digest} as airlift-test/{THING}:1 in "
    )
    assert len(said.splitlines()) == 1
    bench.ensure(recipe)
    assert capfd.readouterr().err == "", "the second time there is nothing to do"


def test_mirror_takes_the_place_of_the_registry(
    upstream: Upstream, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTING, upstream.address)
    [reference] = bench.ensure(bench.recipe(THING, f"registry.invalid/thing:one@{upstream.digest}"))
    assert layers(reference) == upstream.layers


def test_never_means_that_no_registry_is_asked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "never")
    asked: list[str] = []

    def answer(path: str) -> bytes:
        asked.append(path)
        return b""

    with web_server(answer) as address:
        [reference] = bench.ensure(bench.recipe(THING, f"{address}/thing:one@{ABSENT}"))
    assert (origin(reference), asked) == (BUILT, [])


Address = Callable[[ExitStack, Upstream], str]


def nobody(_stack: ExitStack, _upstream: Upstream) -> str:
    return f"127.0.0.1:{free_port()}/thing:one@{ABSENT}"


def nothing_said(stack: ExitStack, _upstream: Upstream) -> str:
    return f"{stack.enter_context(mute_server())}/thing:one@{ABSENT}"


def not_there(_stack: ExitStack, upstream: Upstream) -> str:
    return f"{upstream.address}/thing:one@{ABSENT}"


def no_registry(stack: ExitStack, _upstream: Upstream) -> str:
    return f"{stack.enter_context(web_server(lambda _path: b'<p>Welcome</p>'))}/thing:one@{ABSENT}"


def another_image(stack: ExitStack, upstream: Upstream) -> str:
    """A registry that hands out something else under the pinned digest."""
    forged = manifest(upstream)
    return f"{stack.enter_context(web_server(lambda _path: forged))}/thing:one@{ABSENT}"


def manifest(upstream: Upstream) -> bytes:
    command = ["skopeo", "inspect", "--raw", "--tls-verify=false"]
    return subprocess.run(
        [*command, f"docker://{upstream.address}/thing@{upstream.other_digest}"], check=True, capture_output=True
    ).stdout


@contextmanager
def mute_server() -> Iterator[str]:
    """Connections are taken, and nothing ever comes back: what a firewall can look like."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def web_server(answer: Callable[[str], bytes]) -> Iterator[str]:
    """A server that has the same kind of answer to every request."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answer(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_arguments: object) -> None:
            """Standard error is looked at."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


NO_ANSWER = "{registry} does not answer, so what is pinned there is built in this run. "
NO_PULL = "{registry}/thing@{digest} cannot be pulled, so it is built. "


@pytest.mark.parametrize(
    ("address", "line"),
    [
        pytest.param(nobody, NO_ANSWER, id="nobody-listens"),
        pytest.param(nothing_said, NO_ANSWER + f"Nothing came within {ANSWER_SECONDS} s.", id="no-answer"),
        pytest.param(not_there, NO_PULL, id="digest-is-not-there"),
        pytest.param(no_registry, NO_PULL, id="no-registry"),
        pytest.param(another_image, NO_PULL, id="another-image-under-that-digest"),
    ],
)
def test_what_cannot_be_pulled_is_built_and_one_line_says_so(
    address: Address, line: str, upstream: Upstream, bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    with ExitStack() as stack:
        pinned = address(stack, upstream)
        [reference] = bench.ensure(bench.recipe(THING, pinned))
    assert origin(reference) == BUILT
    said = capfd.readouterr().err.splitlines()
    expected = f"lab: {THING}: " + line.format(registry=pinned.partition("/")[0], digest=ABSENT)
    assert [told.startswith(expected) for told in said] == [True, False, False], said
    assert said[1].startswith(f"lab: {THING}: building {reference}, log ")
    assert said[2].startswith(f"lab: {THING}: built in ")


def test_registry_that_does_not_answer_is_asked_once_in_a_run(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    with mute_server() as address:
        recipes = [bench.recipe(f"{THING}{number}", f"{address}/thing:one@{ABSENT}") for number in range(3)]
        assert [origin(reference) for reference in bench.ensure(*recipes)] == [BUILT] * 3
    assert capfd.readouterr().err.count("does not answer") == 1
