# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images that a host has pulled from a registry: their layers are used, and they are known for what they are."""

from __future__ import annotations

import subprocess
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _bundle_writer
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.integration.support import lab as labs
from ansible_collections.airlift.registry.tests.integration.support.engines import ENGINES, LAB, Engines
from ansible_collections.airlift.registry.tests.integration.support.faults import trusting
from ansible_collections.airlift.registry.tests.integration.support.play import task
from ansible_collections.airlift.registry.tests.integration.support.registries import Registry, distribution
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

V1, V2 = (f"docker.io/library/pulled:{tag}" for tag in ("v1", "v2"))
BASE = images.layer("pulled base")
PLATFORMS = {"linux/amd64": [BASE, images.layer("pulled amd64")], "linux/arm64": [images.layer("pulled arm64")]}


@dataclass(frozen=True)
class Site:
    """A registry that the hosts reach, and bundles: C(first) is what they pull from it, C(second) has another image on the same base."""

    registry: Registry
    directory: Path
    signer: Signer
    packed: t.Mapping[str, t.Sequence[Packed]]

    def arguments(self, bundle: str) -> dict[str, t.Any]:
        return trusting(self.signer, self.directory / bundle)

    @property
    def image(self) -> str:
        return f"{self.registry.host}/pulled:v1"


@pytest.fixture(scope="module")
def site(engines: Engines, signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Site]:
    """The registry has the index of both platforms; the bundle C(first) has the manifest of one, as somebody gets who asks for that platform."""
    labs.lab("image", "registry")
    directory = tmp_path_factory.mktemp("bundles")
    packed = {}
    for name, fill in {
        "index": lambda store: bundles.pack_index(store, V1, PLATFORMS),
        "first": lambda store: [bundles.pack(store, V1, PLATFORMS["linux/amd64"])],
        "second": lambda store: [bundles.pack(store, V2, [BASE, images.layer("pulled new")])],
    }.items():
        with _bundle_writer.work_directory(str(directory / name)) as work:
            store = BlobStore(work)
            packed[name] = fill(store)
            _bundle_writer.write_bundle(store, packed[name], str(directory / name), str(signer.key), run_program)
    with distribution(tmp_path_factory.mktemp("registry"), "pulled", LAB) as registry:
        found = Site(registry, directory, signer, packed)
        source = f"oci:{directory / 'index'}:{V1}"
        trust = ["--dest-cert-dir", str(registry.certs)]
        subprocess.run(["skopeo", "copy", "--quiet", "--all", *trust, source, f"docker://{found.image}"], check=True)
        yield found


@pytest.mark.parametrize("name", ["docker-20.10", "docker-26.1", "docker-28.5-containerd", "docker-29"])
def test_what_was_pulled_is_used_and_known(engines: Engines, site: Site, name: str, tmp_path: Path) -> None:
    """Pulled by its index, named as the lock says: image_info knows it by the one manifest that the lock has. A new image on the same base is sent without it."""
    host, kind, lab = ENGINES[name].host, ENGINES[name].kind, engines.lab
    trust = f"/etc/docker/certs.d/{site.registry.host}"
    lab.run(host, f"mkdir -p {trust}")
    lab.copy(host, str(site.registry.ca), f"{trust}/ca.crt")
    locks = {"locks": [str(site.directory / "first")], "allowed_signers": str(site.signer.allowed_signers)}
    try:
        lab.run(host, f"docker pull --quiet {site.image} && docker tag {site.image} {V1}")
        found, loaded, again = (
            result[host]
            for result in engines.ansible(tmp_path).play(
                host,
                [task("image_info", locks), *[task("image_preload", site.arguments("second"))] * 2],
            )
        )
        (packed,) = site.packed["first"]
        index = site.packed["index"][0].image.target
        (entry,) = found["drift"]["images"]
        assert (entry["state"], entry["id"]) == (
            "present",
            (index if kind == "containerd" else packed.image.config).digest,
        )
        (new,) = site.packed["second"]
        assert [layer["action"] for layer in loaded["images"][0]["layers"]] == ["present", "send"], loaded
        assert loaded["bytes_sent"] == new.image.layers[-1].blob.size
        assert not loaded.get("warnings")
        assert (again["changed"], again["images"][0]["action"]) == (False, "present")
    finally:
        lab.run(host, f"docker rmi {site.image} {V1} {V2}; rm -rf {trust}", check=False)
