# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Transport registry on real engines: they pull from Distribution behind TLS and passwords; what does not come is sent. docs/guides/large-fleets.md."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import typing as t
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support import documents
from ansible_collections.airlift.registry.tests.integration.support.engines import ENGINES, Engines
from ansible_collections.airlift.registry.tests.integration.support.faults import trusting
from ansible_collections.airlift.registry.tests.integration.support.front import (
    Front,
    FrontHandler,
    fronted,
    nothing_wrong,
)
from ansible_collections.airlift.registry.tests.integration.support.lab import ROOT
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result
from ansible_collections.airlift.registry.tests.integration.support.registries import distribution
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

NAMES = ("docker-26.1", "docker-28.5-containerd", "docker-29", "podman")
HOSTS = ":".join(ENGINES[name].host for name in NAMES)
FRAGILE = ("docker-26.1", "docker-29")
LIBRARY, NAMESPACE = "docker.io/library", "mirror/fleet"
GUIDE = (ROOT / "docs/guides/large-fleets.md").read_text()
PATIENCE = 5  # seconds
SIZE = 3 * 1024 * 1024


@dataclass(frozen=True)
class Site:
    """A registry, and hosts that trust it and are logged in."""

    front: Front
    engines: Engines
    ansible: Ansible
    signer: Signer
    directory: Path

    def bundle(self, contents: t.Mapping[str, t.Sequence[bytes]]) -> dict[str, t.Any]:
        """Options of image_preload for a new bundle."""
        path = self.directory / uuid.uuid4().hex
        bundles.make_bundle(path, self.signer, contents)
        return {
            **trusting(self.signer, path),
            "registry": f"{self.front.host}/{NAMESPACE}",
            "transport": "registry",
        }

    def publish(self, arguments: t.Mapping[str, t.Any], namespace: str = NAMESPACE) -> None:
        options = {key: arguments[key] for key in ("path", "allowed_signers", "images") if key in arguments}
        behind = {"registry": self.front.behind.host, "ca_path": str(self.front.behind.ca), "namespace": namespace}
        assert self.ansible.local("registry_publish", {**options, **behind})["changed"]

    def preload(self, arguments: t.Mapping[str, t.Any], *options: str, hosts: str = HOSTS) -> dict[str, Result]:
        """What each engine's host says, by engine."""
        found = self.ansible.module(hosts, "image_preload", {**arguments, **_sockets()}, *options)
        return {name: found[ENGINES[name].host] for name in NAMES if ENGINES[name].host in found}

    def trust(self, host: str) -> None:
        place = f"/etc/docker/certs.d/{self.front.host}"
        self.engines.lab.run(host, f"mkdir -p {place} /root/.docker")
        self.engines.lab.copy(host, str(self.front.certificate.path), f"{place}/ca.crt")

    def distrust(self, host: str) -> None:
        self.engines.lab.run(host, f"rm -r /etc/docker/certs.d/{self.front.host}")

    def log_in(self, host: str, authfile: t.Mapping[str, t.Any]) -> None:
        path = self.directory / "config.json"
        path.write_text(json.dumps(authfile))
        self.engines.lab.copy(host, str(path), "/root/.docker/config.json")

    def named(self, name: str, repository: str) -> list[str]:
        """What the engine knows of a repository, by tag or digest."""
        found = self.engines.connect(name).images()
        return [entry for image in found for entry in (*image["tags"], *image["digests"]) if repository in entry]


def _sockets() -> dict[str, str]:
    podman = ENGINES["podman"]
    return {
        "docker_host": f"{{{{ 'unix://{podman.socket}' if inventory_hostname == '{podman.host}' else 'unix:///var/run/docker.sock' }}}}"
    }


@pytest.fixture(scope="module")
def site(engines: Engines, signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    (directory / "registry").mkdir()
    network = [
        "docker",
        "network",
        "inspect",
        f"airlift-{engines.lab.name}",
        "--format",
        "{{(index .IPAM.Config 0).Subnet}}",
    ]
    subnet = subprocess.run(network, check=True, capture_output=True, text=True).stdout.strip()
    gateway = f"{subnet.rpartition('.')[0]}.1"
    with distribution(directory / "registry", "preload") as behind, fronted(directory, gateway, behind) as front:
        site = Site(front, engines, engines.ansible(directory), signer, directory)
        for name in NAMES:
            site.trust(ENGINES[name].host)
            site.log_in(ENGINES[name].host, front.authfile)
        yield site
        for name in NAMES:
            site.distrust(ENGINES[name].host)
            site.engines.lab.run(ENGINES[name].host, "rm /root/.docker/config.json")


@dataclass(frozen=True)
class Journey:
    app: str
    own: str
    sizes: int
    results: list[dict[str, Result]]


@pytest.fixture(scope="module")
def journey(site: Site) -> Journey:
    """One image of the hub's and one of the registry's own, looked at, pulled, and looked at again."""
    unique = uuid.uuid4().hex[:8]
    app, own = f"{LIBRARY}/{unique}:v1", f"{site.front.host}/{NAMESPACE}/{unique}/own:v1"
    base = images.layer(f"base {unique}")
    arguments = site.bundle({app: [base, images.tar([images.Member("data", os.urandom(SIZE))])]})
    site.publish(arguments)
    second = site.bundle({own: [base, images.layer(f"own {unique}")]})
    site.publish(second, "")
    both = {**arguments, "path": [*arguments["path"], *second["path"]]}
    # The name of the second has the namespace in it already.
    results = [site.preload(arguments, "--check"), site.preload(arguments)]
    results += [site.preload({**second, "registry": site.front.host}), site.preload(both)]
    sizes = sum(layer["size"] for layer in results[0]["docker-29"]["images"][0]["layers"])
    return Journey(app, own, sizes, results)


@pytest.mark.parametrize("name", NAMES)
def test_images_are_pulled(site: Site, journey: Journey, name: str) -> None:
    asked, first, _second, again = (found[name] for found in journey.results)
    assert [result["changed"] for result in (asked, first, again)] == [True, True, False], first
    assert [result["images"][0]["transport"] for result in (asked, first, again)] == ["registry", "registry", ""], (
        first["warnings"]
    )
    assert [result["bytes_pulled"] for result in (asked, first, again)] == [0, journey.sizes, 0]
    assert [result["bytes_sent"] for result in (asked, first, again)] == [0, 0, 0]
    assert asked["images"] == [
        {**first["images"][0], **{key: asked["images"][0][key] for key in ("by_digest", "reference")}}
    ]
    assert "warnings" not in first
    found = site.engines.connect(name).inspect(first["images"][0]["reference"])
    assert found
    assert (found["id"], journey.app in found["tags"]) == (first["images"][0]["id"], True)


@pytest.mark.parametrize("name", NAMES)
def test_the_registrys_own_name_goes(site: Site, journey: Journey, name: str) -> None:
    image = journey.results[1][name]["images"][0]
    assert site.named(name, f"{site.front.host}/{NAMESPACE}/library") == []
    assert site.named(name, "airlift.invalid") == []
    assert image["by_digest"] is (ENGINES[name].kind != "graph")


@pytest.mark.parametrize("name", NAMES)
def test_an_image_of_the_registrys_own_keeps_its_digest(site: Site, journey: Journey, name: str) -> None:
    result = journey.results[2][name]
    (image,) = result["images"]
    assert (image["by_digest"], image["transport"]) == (True, "registry"), result
    assert image["reference"] == f"{journey.own.rpartition(':')[0]}@{image['digest']}"
    found = site.engines.connect(name).inspect(image["reference"])
    assert found
    assert found["id"] == image["id"]


def status(code: int) -> t.Callable[[FrontHandler, str, str], bool]:
    def fault(handler: FrontHandler, kind: str, _reference: str) -> bool:
        if kind == "manifests":
            body = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}' if code == 429 else b""
            handler.answer(code, body, Content_Type="application/json", Retry_After="1")
        return kind == "manifests"

    return fault


@dataclass
class GoesAway:
    """In the middle of the layer, for each host; whatever that asks for then is answered with 503."""

    hosts: set[str] = field(default_factory=set)

    def __call__(self, handler: FrontHandler, kind: str, _reference: str) -> bool:
        host = handler.client_address[0]
        if host in self.hosts:
            handler.answer(503)
            return True
        if kind != "blobs" or handler.command != "GET":
            return False
        # The config is a blob too, and small enough to pass.
        if handler.pass_on(SIZE // 3):
            self.hosts.add(host)
            # Docker tells of a download ten times a second at most, and only what is newest: what breaks off at once it may not tell of at all.
            time.sleep(0.5)
        return True


def another_image(handler: FrontHandler, kind: str, _reference: str) -> bool:
    if kind == "manifests":
        handler.answer(200, b'{"schemaVersion": 2}', Content_Type="application/vnd.oci.image.manifest.v1+json")
    return kind == "manifests"


def falls_silent(handler: FrontHandler, kind: str, _reference: str) -> bool:
    if kind == "blobs" and handler.command == "GET":
        if handler.pass_on(SIZE // 3):
            handler.rfile.read(1)
        return True
    return False


@dataclass(frozen=True)
class Trouble:
    """What is wrong with the registry, and the words of the next step."""

    step: str
    fault: t.Callable[[FrontHandler, str, str], bool] = nothing_wrong
    is_published: bool = True
    is_trusted: bool = True
    is_known: bool = True
    wastes: bool = False


TROUBLES = {
    "429": Trouble("Let fewer hosts pull at once", status(429)),
    "503": Trouble("Look whether the registry is up", status(503)),
    "403": Trouble("Log the user of the task in", status(403)),
    "wrong password": Trouble("Log the user of the task in", is_known=False),
    "not trusted": Trouble("trust the registry's authority", is_trusted=False),
    "not published": Trouble("Publish the bundle there", is_published=False),
    "another image": Trouble("", another_image),
    "gone in the middle": Trouble("", GoesAway(), wastes=True),
    "silent in the middle": Trouble("", falls_silent, wastes=True),
}


@pytest.fixture(scope="module")
def troubled(site: Site) -> dict[str, t.Any]:
    """Options for a bundle with an image for each trouble, of which all but one are published."""
    arguments = site.bundle(
        {
            f"{LIBRARY}/{name}:v1": [images.tar([images.Member("data", os.urandom(SIZE))])]
            for name in map(_word, TROUBLES)
        }
    )
    published = [f"{_word(name)}:v1" for name, trouble in TROUBLES.items() if trouble.is_published]
    site.publish({**arguments, "images": published})
    return arguments


def _word(trouble: str) -> str:
    return f"trouble-{trouble.replace(' ', '-')}"


@pytest.mark.parametrize("title", TROUBLES)
def test_what_does_not_come_is_sent(site: Site, troubled: dict[str, t.Any], title: str) -> None:
    trouble, name = TROUBLES[title], f"{LIBRARY}/{_word(title)}:v1"
    arguments = {**troubled, "images": [name], "docker_timeout": PATIENCE if trouble.wastes else 60}
    hosts = [ENGINES[engine].host for engine in FRAGILE]
    site.front.fault = trouble.fault
    for host in hosts:
        if not trouble.is_trusted:
            site.distrust(host)
        if not trouble.is_known:
            site.log_in(host, {"auths": {site.front.host: {"auth": "bm9ib2R5Om5vdGhpbmc="}}})
    try:
        results = site.preload(arguments, hosts=":".join(hosts))
    finally:
        site.front.fault = nothing_wrong
        for host in hosts:
            site.trust(host)
            site.log_in(host, site.front.authfile)
    for engine, result in results.items():
        (image,), (warning,) = result["images"], result["warnings"]
        assert (result["changed"], image["transport"]) == (True, "push"), result
        assert result["bytes_sent"] == image["layers"][0]["size"]
        assert f"{name} did not come from the registry {site.front.host}/{NAMESPACE} and is sent instead" in warning
        assert trouble.step in warning
        assert (0 < result["bytes_wasted"] < SIZE) is trouble.wastes, engine
        assert site.named(engine, site.front.host + "/" + NAMESPACE + name.removeprefix("docker.io")) == []
        found = site.engines.connect(engine).inspect(name)
        assert found
        assert found["id"] == image["id"]


def test_only_what_the_registry_lacks_is_sent(site: Site) -> None:
    """And a registry that nobody reaches is no reason to refuse a host."""
    there, lacking = (f"{LIBRARY}/{uuid.uuid4().hex[:8]}:v1" for _number in range(2))
    arguments = site.bundle({there: [images.layer(there)]})
    site.publish(arguments)
    both = {**arguments, "path": [*arguments["path"], *site.bundle({lacking: [images.layer(lacking)]})["path"]]}
    results = site.preload(both)
    for result in results.values():
        assert {image["name"]: image["transport"] for image in result["images"]} == {there: "registry", lacking: "push"}


def test_a_registry_that_is_not_reached(site: Site) -> None:
    name = f"{LIBRARY}/{uuid.uuid4().hex[:8]}:v1"
    arguments = {**site.bundle({name: [images.layer(name)]}), "registry": f"{site.front.host.rpartition(':')[0]}:9"}
    host = ENGINES["docker-26.1"].host
    results = [
        site.preload({**arguments, "transport": transport}, "--check", hosts=host)["docker-26.1"]
        for transport in ("auto", "registry")
    ]
    for result in results:
        assert ["is not reached from this host" in text for text in result["warnings"]] == [True]
    assert [result["images"][0]["transport"] for result in results] == ["push", "registry"]


def test_auto_does_not_pull_again_what_was_loaded(site: Site) -> None:
    """Docker with overlay2 would; the containerd store knows blobs, whoever brought them."""
    unique = uuid.uuid4().hex[:8]
    base = images.tar([images.Member("data", os.urandom(SIZE))])
    first = site.bundle({f"{LIBRARY}/{unique}:v1": [base]})
    update = {**site.bundle({f"{LIBRARY}/{unique}:v2": [base, images.layer(unique)]}), "transport": "auto"}
    site.preload({**first, "transport": "push"})
    asked = site.preload(update, "--check")
    assert {name: asked[name]["images"][0]["transport"] for name in NAMES} == {
        "docker-26.1": "push",
        "docker-28.5-containerd": "registry",
        "docker-29": "registry",
        "podman": "registry",
    }


def test_the_guide(site: Site) -> None:
    """Published, looked at, and pulled, word for word."""
    directory, name = site.directory / "guide", f"{LIBRARY}/{uuid.uuid4().hex[:8]}:v1"
    directory.mkdir()
    bundles.make_bundle(directory / "app.tar", site.signer, {name: [images.layer(name)]})
    shutil.copy(site.signer.allowed_signers, directory / "allowed_signers")
    shutil.copy(site.engines.lab.inventory, directory / "inventory.yml")
    behind = {"registry": site.front.behind.host, "ca_path": str(site.front.behind.ca)}
    (directory / "registries.yml").write_text(json.dumps({"publish_registries": [behind]}))
    publish, look, pull = (
        command.replace("registry.example.com", site.front.host) for command in documents.commands(GUIDE)[:3]
    )
    hosts = f" -e preload_hosts={ENGINES['docker-29'].host}"
    assert "changed=1" in documents.run(publish, directory)
    documents.run(look + hosts, directory)
    (directory / "report").mkdir()
    documents.run(f"{pull}{hosts} -e preload_report=report", directory)
    report = json.loads((directory / f"report/{ENGINES['docker-29'].host}.json").read_text())
    assert report["images"][0]["transport"] == "registry"
