# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bundles of what other tools have and write: podman's engine and archives, skopeo's layouts and archives."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest
import zstandard

from ansible_collections.airlift.registry.tests.integration.support.lab import eventually
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, task
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

APP, TOOL = "localhost/app:1", "localhost:5000/tool:2"


@dataclass(frozen=True)
class Podman:
    """podman with a storage of its own, and the API of its engine."""

    directory: Path
    runroot: str  # podman allows it 50 characters

    @property
    def socket(self) -> str:
        return f"unix://{self.directory}/podman.sock"

    def command(self, *arguments: str) -> list[str]:
        storage = ["--root", f"{self.directory}/root", "--runroot", self.runroot, "--storage-driver", "vfs"]
        return ["podman", *storage, "--cgroup-manager", "cgroupfs", *arguments]

    def run(self, *arguments: str) -> str:
        return subprocess.run(self.command(*arguments), check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@pytest.fixture(scope="module")
def podman(small: list[str], tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Podman]:
    """Its engine has two images, which share a layer. It ends by itself should nobody end it."""
    runroot = tempfile.mkdtemp(prefix="podman-")
    found = Podman(tmp_path_factory.mktemp("podman"), runroot)
    for number, (image, name) in enumerate(zip(small, (APP, TOOL), strict=True)):
        archive = found.directory / f"{number}.tar"
        subprocess.run(["docker", "save", "--output", archive, image], check=True)
        found.run("load", "--quiet", "--input", str(archive))
        found.run("tag", image, name)
    service = subprocess.Popen(found.command("system", "service", "--time", "300", found.socket))
    try:
        eventually((found.directory / "podman.sock").exists, "podman's engine")
        yield found
    finally:
        service.terminate()
        service.wait(60)
        shutil.rmtree(runroot)


def skopeo_digest(source: str) -> str:
    told = subprocess.run(["skopeo", "inspect", source], check=True, capture_output=True, text=True).stdout
    return str(json.loads(told)["Digest"])


def test_images_of_podman(ansible: Ansible, podman: Podman, signer: Signer, tmp_path: Path) -> None:
    """Of its engine, and of the archives that it writes, one of them compressed: each time the same image."""
    podman.run("save", "--quiet", "--multi-image-archive", "--output", str(tmp_path / "both.tar"), APP, TOOL)
    (tmp_path / "both.tar.zst").write_bytes(zstandard.compress((tmp_path / "both.tar").read_bytes()))
    ids = {name: f"sha256:{podman.run('image', 'inspect', '--format', '{{.Id}}', name)}" for name in (APP, TOOL)}
    wanted = [
        {"source": f"docker-daemon:{APP}", "name": "engine:1"},
        f"docker-daemon:{TOOL}",
        {"source": f"docker-archive:{tmp_path}/both.tar:{TOOL}", "name": "archive:by-name"},
        {"source": f"docker-archive:{tmp_path}/both.tar.zst:@0", "name": "archive:by-number"},
        {"source": f"docker-archive:{tmp_path}/both.tar.zst:{ids[TOOL]}", "name": "archive:by-id"},
    ]
    arguments = {"path": str(tmp_path / "b"), "images": wanted, "signing_key": str(signer.key)}
    make = task("bundle", {**arguments, "docker_host": podman.socket})
    made, again = (run["localhost"] for run in ansible.play("localhost", [make, make]))
    assert (made["changed"], again["changed"]) == (True, False), made
    assert {image["name"]: image["config"] for image in made["images"]} == {
        "docker.io/library/engine:1": ids[APP],
        TOOL: ids[TOOL],
        "docker.io/library/archive:by-name": ids[TOOL],
        "docker.io/library/archive:by-number": ids[APP],
        "docker.io/library/archive:by-id": ids[TOOL],
    }
    assert len({image["digest"] for image in made["images"]}) == 2


def test_layouts_of_skopeo(ansible: Ansible, small: list[str], signer: Signer, tmp_path: Path) -> None:
    """A directory and a tar; the digests are those that skopeo shows, before and after."""
    layout, archive = f"oci:{tmp_path}/layout:app:1", f"oci-archive:{tmp_path}/app.tar:other:1"
    for target in (layout, archive):
        subprocess.run(["skopeo", "copy", "--quiet", f"docker-daemon:{small[0]}", target], check=True)
    arguments = {"path": str(tmp_path / "b"), "images": [layout, archive], "signing_key": str(signer.key)}
    made = ansible.local("bundle", arguments)
    assert made["changed"] is True, made
    assert [image["name"] for image in made["images"]] == ["docker.io/library/app:1", "docker.io/library/other:1"]
    for image, source in zip(made["images"], (layout, archive), strict=True):
        packed = skopeo_digest(f"oci:{tmp_path}/b:{image['name']}")
        assert image["digest"] == image["source_id"] == packed == skopeo_digest(source)
