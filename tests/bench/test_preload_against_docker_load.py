# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Preload against what a user would run instead: `docker save | gzip`, a copy over ssh, `docker load`.

Prints times, bytes and ratios of one run on one lab host; `make bench` runs it. Times on a busy machine mean little, ratios more.
"""

from __future__ import annotations

import json
import os
import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.bench.support import LAB, contest, run, timed
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

NAME = f"bench-{os.getpid()}"
HOST = "shop1"


@dataclass(frozen=True)
class Site:
    """The lab's host, and a directory for bundles and archives."""

    state: Path
    work: Path

    def on_host(self, command: str) -> None:
        run(f"ssh -F {self.state}/ssh_config {HOST} sudo sh -c '\"{command}\"'")

    def forget(self) -> None:
        self.on_host("docker image rm -f \\$(docker images -q) || true")

    def by_hand(self, tag: str) -> int:
        """Save, compress, copy, load; the bytes that crossed."""
        archive = self.work / f"{tag}.tar.gz"
        run(f"docker save airlift-lab/app:{tag} | gzip > {archive}")
        run(f"ssh -F {self.state}/ssh_config {HOST} sudo docker load < {archive}")
        return archive.stat().st_size

    def preload(self, tag: str) -> int:
        """Bundle and preload; the bytes of layers that crossed."""
        bundle = self.work / f"{tag}.tar"
        wanted = json.dumps({"bundle_images": [f"docker-daemon:airlift-lab/app:{tag}"]})
        run(
            f"ansible-playbook airlift.registry.bundle -e bundle_path={bundle}"
            f" -e bundle_signing_key={self.work}/key -e '{wanted}'"
        )
        run(
            f"ansible-playbook -i {self.state}/inventory.yml airlift.registry.preload -e preload_bundle={bundle}"
            f" -e preload_allowed_signers={self.work}/signers -e preload_report={self.work}/report"
        )
        return int(json.loads((self.work / "report" / f"{HOST}.json").read_text())["bytes_sent"])

    def preload_again(self) -> None:
        run(
            f"ansible-playbook -i {self.state}/inventory.yml airlift.registry.preload -e preload_bundle={self.work}/v2.tar"
            f" -e preload_allowed_signers={self.work}/signers"
        )

    def ping(self) -> None:
        run(f"ansible -i {self.state}/inventory.yml -b -m ping {HOST}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Site]:
    work = tmp_path_factory.mktemp("bench")
    (work / "spec.json").write_text(json.dumps({"hosts": {HOST: {"groups": ["fleet"]}}}))
    run(f"{LAB} image host app1 app2")
    run(f"ssh-keygen -q -t ed25519 -N '' -f {work}/key")
    run(f'echo "bench namespaces=\\"airlift-bundle\\" $(cat {work}/key.pub)" > {work}/signers')
    try:
        yield Site(Path(run(f"{LAB} up {NAME} --spec {work}/spec.json").strip().splitlines()[-1]), work)
    finally:
        run(f"{LAB} down {NAME}")


def test_cold_update_and_nothing_new(site: Site) -> None:
    hand_cold, hand_cold_bytes = timed(lambda: site.by_hand("v1"))
    hand_update, hand_update_bytes = timed(lambda: site.by_hand("v2"))
    site.forget()
    cold, cold_bytes = timed(lambda: site.preload("v1"))
    update, update_bytes = timed(lambda: site.preload("v2"))
    again, _nothing = timed(site.preload_again)
    ping, _nothing = timed(site.ping)
    show("cold", hand_cold, cold, hand_cold_bytes, cold_bytes)
    show("one layer new", hand_update, update, hand_update_bytes, update_bytes)
    print(f"nothing new: preload {again:.1f} s, ansible ping {ping:.1f} s, {again - ping:+.1f} s")
    lacking = layer_bytes(site.work / "v2.tar")
    print(f"bytes sent over the compressed bytes that were lacking: {update_bytes / lacking:.3f}")
    assert update_bytes == lacking


def test_a_host_that_has_everything(site: Site) -> None:
    """A hundred images in the bundle: one module run, no blob, at most a second beyond a ping."""
    names = [f"docker.io/library/many{number}:v1" for number in range(100)]
    base = images.layer("many base")
    signer = Signer(site.work / "key", site.work / "signers")
    bundles.make_bundle(site.work / "many.tar", signer, {name: [base, images.layer(name)] for name in names})
    arguments = f"path={site.work}/many.tar allowed_signers={site.work}/signers"
    preload = f"ansible -i {site.state}/inventory.yml -b -m airlift.registry.image_preload -a '{arguments}' {HOST}"
    assert '"changed": true' in run(preload)
    assert '"changed": false' in run(preload)
    times = contest({"ping": site.ping, "preload": lambda: run(preload)}, rounds=5)
    beyond = times["preload"] - times["ping"]
    print(f"\n100 images that are there: preload {times['preload']:.2f} s, ping {times['ping']:.2f} s, {beyond:+.2f} s")


def layer_bytes(bundle: Path) -> int:
    """The size of the top layer, the one that v1 and v2 do not share."""
    listing = run(f"tar -tvf {bundle}")
    sizes = {name: int(size) for size, name in re.findall(r"(\d+) \S+ \S+ (blobs/sha256/\S+)", listing)}
    manifest = json.loads(run(f"tar -xOf {bundle} manifest.json"))[0]
    return sizes[manifest["Layers"][-1]]


def show(what: str, hand: float, preload: float, hand_bytes: int, preload_bytes: int) -> None:
    print(
        f"\n{what}: save|gzip, copy, load {hand:.1f} s, {hand_bytes / 1e6:.1f} MB; bundle, preload {preload:.1f} s, {preload_bytes / 1e6:.1f} MB;"
        f" time x {preload / hand:.2f}, bytes x {preload_bytes / hand_bytes:.3f}"
    )
