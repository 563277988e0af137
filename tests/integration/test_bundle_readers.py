# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs that know nothing of this collection read its bundles: skopeo, crane, oras, and docker load of every engine that is here."""

from __future__ import annotations

import json
import re
import subprocess
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _bundle_writer
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.integration.support.lab import NAME, Lab
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

# Of this checkout and worker alone, because one of the engines is the machine's own.
PLAIN, SEVERAL = f"docker.io/{NAME}/plain:v1", f"docker.io/{NAME}/several:v1"
BASE, TOP, ARM = images.layer("base"), images.layer("top"), images.layer("arm")
PLATFORMS = {"linux/amd64": [BASE, TOP], "linux/arm64": [BASE, ARM]}


@dataclass(frozen=True)
class Made:
    """A bundle as a directory and as a tar, and its images."""

    directory: Path
    tar: Path
    images: list[Packed]

    def target(self, name: str) -> str:
        """The digest that a name means."""
        return next(entry.image.target.digest for entry in self.images if entry.image.name == name)

    def config(self, name: str) -> str:
        return next(entry.image.config.digest for entry in self.images if entry.image.name == name)


def make(directory: Path, signer: Signer, pack: t.Callable[[BlobStore], list[Packed]]) -> Made:
    packed: list[Packed] = []
    for path in (directory / "b", directory / "b.tar"):
        with _bundle_writer.work_directory(str(path)) as work:
            store = BlobStore(work)
            packed = pack(store)
            _bundle_writer.write_bundle(store, packed, str(path), str(signer.key), run_program)
    return Made(directory / "b", directory / "b.tar", packed)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> Made:
    """One image."""
    return make(tmp_path_factory.mktemp("one"), signer, lambda store: [bundles.pack(store, PLAIN, [BASE, TOP])])


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> Made:
    """Two names, one of which means several platforms, with an attestation."""
    return make(
        tmp_path_factory.mktemp("mixed"),
        signer,
        lambda store: [
            bundles.pack(store, PLAIN, [BASE, TOP]),
            *bundles.pack_index(store, SEVERAL, PLATFORMS, b'{"predicate": {}}'),
        ],
    )


def said(*command: t.Any, stdin: Path | None = None) -> str:
    with open(stdin or "/dev/null", "rb") as source:
        done = subprocess.run(
            [str(word) for word in command], stdin=source, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("transport", ["oci", "oci-archive", "docker-archive"])
@pytest.mark.parametrize("name", [PLAIN, SEVERAL], ids=["one platform", "several"])
def test_skopeo(mixed: Made, tmp_path: Path, transport: str, name: str) -> None:
    path = mixed.directory if transport == "oci" else mixed.tar
    # As a docker archive it has one platform of each name.
    options = ["--all"] if transport != "docker-archive" else []
    said("skopeo", "copy", "--quiet", *options, f"{transport}:{path}:{name}", f"dir:{tmp_path}/out")
    manifest = (tmp_path / "out/manifest.json").read_bytes()
    if transport == "docker-archive":
        assert json.loads(manifest)["config"]["digest"] == mixed.config(name)
    else:
        assert f"sha256:{images.sha256(manifest)}" == mixed.target(name)


@pytest.mark.parametrize("form", ["directory", "tar"])
def test_oras(mixed: Made, tools: dict[str, Path], form: str) -> None:
    path = mixed.directory if form == "directory" else mixed.tar
    assert said(tools["oras"], "repo", "tags", "--oci-layout", path).split() == sorted([PLAIN, SEVERAL])
    for name in (PLAIN, SEVERAL):
        manifest = said(tools["oras"], "manifest", "fetch", "--oci-layout", f"{path}@{mixed.target(name)}")
        assert f"sha256:{images.sha256(manifest.encode())}" == mixed.target(name)


def test_oras_walks_the_whole_layout(mixed: Made, tools: dict[str, Path], tmp_path: Path) -> None:
    """As hauler does it: everything that a name means, into a layout of another program's making."""
    copy = tmp_path / "copy"
    for name in (PLAIN, SEVERAL):
        said(
            tools["oras"],
            "copy",
            "--from-oci-layout",
            f"{mixed.directory}@{mixed.target(name)}",
            "--to-oci-layout",
            f"{copy}:v1",
        )
    here = {path.name for path in (mixed.directory / "blobs/sha256").iterdir()}
    assert {path.name for path in (copy / "blobs/sha256").iterdir()} == here


def test_crane_reads_a_tar(one: Made, tools: dict[str, Path], tmp_path: Path) -> None:
    assert "PASS" in said(tools["crane"], "validate", "--tarball", one.tar)
    said(tools["crane"], "export", "-", tmp_path / "files.tar", stdin=one.tar)
    assert said("tar", "-xOf", tmp_path / "files.tar", "etc/motd") == "top"


@pytest.fixture(scope="module")
def registry(tools: dict[str, Path]) -> t.Iterator[str]:
    """crane's own registry, which keeps everything in memory."""
    server = subprocess.Popen(
        [tools["crane"], "registry", "serve", "--address", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True
    )
    assert server.stderr
    port = re.search(r"port (\d+)", server.stderr.readline())
    assert port
    yield f"127.0.0.1:{port[1]}"
    server.terminate()
    server.communicate()


def test_crane_pushes_a_directory(one: Made, mixed: Made, tools: dict[str, Path], registry: str) -> None:
    """One image as itself, several as the index that index.json is."""
    said(tools["crane"], "push", one.directory, f"{registry}/one:v1")
    assert said(tools["crane"], "digest", f"{registry}/one:v1").strip() == one.target(PLAIN)
    said(tools["crane"], "push", "--index", mixed.directory, f"{registry}/mixed:v1")
    said(tools["crane"], "validate", "--remote", f"{registry}/mixed@{mixed.target(PLAIN)}")
    for name in (PLAIN, SEVERAL):
        manifest = said(tools["crane"], "manifest", f"{registry}/mixed@{mixed.target(name)}")
        assert f"sha256:{images.sha256(manifest.encode())}" == mixed.target(name)


def test_docker_load_of_the_machines_engine(mixed: Made) -> None:
    try:
        told = said("docker", "load", "--input", mixed.tar)
        assert sorted(re.findall(r"Loaded image: (\S+)", told)) == [f"{NAME}/plain:v1", f"{NAME}/several:v1"]
        for name in (PLAIN, SEVERAL):
            layers = json.loads(said("docker", "image", "inspect", name))[0]["RootFS"]["Layers"]
            assert layers == [f"sha256:{images.sha256(layer)}" for layer in (BASE, TOP)]
    finally:
        subprocess.run(["docker", "rmi", "--force", PLAIN, SEVERAL], check=False, capture_output=True)


def test_docker_load_of_a_hosts_engine(mixed: Made, lab: Lab) -> None:
    """From a directory, as the bundle's README.txt says."""
    lab.clean("fleet2")
    archive = subprocess.run(["tar", "-C", mixed.directory, "-cf", "-", "."], check=True, capture_output=True).stdout
    subprocess.run(
        ["docker", "exec", "-i", f"airlift-{NAME}-fleet2", "docker", "load"],
        input=archive,
        check=True,
        capture_output=True,
    )
    shown = json.loads(lab.run("fleet2", f"docker image inspect {PLAIN} {SEVERAL}"))
    assert [image["Id"] for image in shown] == [mixed.config(PLAIN), mixed.config(SEVERAL)]
    lab.clean("fleet2")
