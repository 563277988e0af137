# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Six images on one base to one host over 100 Mbit/s, packing included, by what people do today and by a bundle and a preload.

The contenders: kubespray's way (save, gzip, copy, load), save straight into load, and a registry that the host pulls from through a tunnel, as unregistry
does. `make bench ARGS="-k peers"` runs it, in about six minutes; times on a busy machine mean little, ratios more.
"""

from __future__ import annotations

import json
import os
import random
import typing as t
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.bench.support import LAB, link_to, run, timed
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles

NAME = f"bench-peers-{os.getpid()}"
HOST = "shop1"
COUNT = 6
SHARED, OWN = 100, 60  # MB before compression, of which gzip leaves a third
LINK = 100_000_000 / 8  # bytes per second
MB = 1_000_000


@dataclass(frozen=True)
class Site:
    """Images in the machine's engine, and a host behind a thin link."""

    work: Path
    interface: str

    def images(self, changed: bool) -> list[str]:
        """What the host lacks: all images, or the first of them as it was built again when it is I(changed)."""
        return [f"{NAME}:app0-v2"] if changed else [f"{NAME}:app{number}" for number in range(COUNT)]

    def on_host(self, command: str, options: str = "") -> str:
        return run(f"ssh -F {self.work}/state/ssh_config {options} {HOST} \"sudo sh -c '{command}'\"")

    def forget(self) -> None:
        self.on_host("docker image ls --quiet | sort -u | xargs --no-run-if-empty docker image rm --force")
        assert not self.on_host("docker image ls --quiet --all")

    def sent(self) -> int:
        return int(Path(f"/sys/class/net/{self.interface}/statistics/tx_bytes").read_text())

    def by_archive(self, changed: bool) -> None:
        """kubespray's way, of all images that are not there, in one archive."""
        archive = self.work / "images.tar.gz"
        wanted = self.images(changed)
        run(f"docker save {' '.join(wanted)} | gzip > {archive}")
        run(f"ssh -F {self.work}/state/ssh_config {HOST} sudo tee /root/images.tar.gz < {archive} > /dev/null")
        self.on_host("docker load --quiet --input /root/images.tar.gz && rm /root/images.tar.gz")

    def by_pipe(self, changed: bool) -> None:
        wanted = self.images(changed)
        run(f"docker save {' '.join(wanted)} | ssh -F {self.work}/state/ssh_config {HOST} sudo docker load --quiet")

    def by_registry(self, changed: bool) -> None:
        if not changed:
            run(
                f"docker rm --force --volumes {NAME} 2>/dev/null; docker run --detach --publish 127.0.0.1:5999:5000 --name {NAME} {registry()}"
            )
            run("until curl --silent --fail http://127.0.0.1:5999/v2/; do :; done")
        wanted = self.images(changed)
        for image in wanted:
            run(f"docker tag {image} 127.0.0.1:5999/{image} && docker push --quiet 127.0.0.1:5999/{image}")
        pulls = "; ".join(f"docker pull --quiet 127.0.0.1:5999/{image}" for image in wanted)
        self.on_host(f"set -e; {pulls}", "-o ControlPath=none -R 127.0.0.1:5999:127.0.0.1:5999")

    def by_preload(self, changed: bool) -> None:
        bundle = self.work / f"{'v2' if changed else 'v1'}.tar"
        images = self.images(changed)
        wanted: dict[str, t.Any] = {"bundle_images": [f"docker-daemon:{image}" for image in images]}
        if changed:
            wanted |= {"bundle_base": f"{self.work}/v1.tar", "bundle_allowed_signers": f"{self.work}/bench-signers"}
        run(
            f"ansible-playbook airlift.registry.bundle -e bundle_path={bundle} -e bundle_signing_key={self.work}/bench -e '{json.dumps(wanted)}'"
        )
        run(
            f"ansible-playbook -i {self.work}/state/inventory.yml airlift.registry.preload -e preload_bundle={bundle}"
            f" -e preload_allowed_signers={self.work}/bench-signers"
        )


def registry() -> str:
    return run(f"{LAB} image registry").split()[-1]


def tree(place: Path, seed: int, megabytes: int) -> None:
    """Files of 100 kB of which gzip leaves a third."""
    some = random.Random(seed)
    place.mkdir(parents=True)
    for number in range(megabytes * 10):
        (place / f"{number}").write_bytes(some.randbytes(33_000) + bytes(67_000))


def build(context: Path, parent: str, seed: int, megabytes: int, tag: str) -> None:
    tree(context / "files", seed, megabytes)
    (context / "Dockerfile").write_text(
        f"FROM {parent}\nCOPY files /srv/{tag.rpartition(':')[2].removesuffix('-v2')}\n"
    )
    run(f"docker build --quiet --tag {tag} {context} && rm -r {context}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Site]:
    work = tmp_path_factory.mktemp("peers")
    bundles.make_signer(work, "bench")
    build(work / "context", run(f"{LAB} image base").split()[-1], 0, SHARED, f"{NAME}:shared")
    for number in range(COUNT):
        build(work / "context", f"{NAME}:shared", number + 1, OWN, f"{NAME}:app{number}")
    build(work / "context", f"{NAME}:shared", COUNT + 1, OWN, f"{NAME}:app0-v2")
    registry()
    (work / "spec.json").write_text(json.dumps({"hosts": {HOST: {"groups": ["fleet"]}}}))
    run(f"{LAB} image host")
    try:
        (work / "state").symlink_to(run(f"{LAB} up {NAME} --spec {work}/spec.json").strip().splitlines()[-1])
        interface = link_to(NAME, HOST)
        run(f"tc qdisc add dev {interface} root tbf rate 100mbit burst 128kb latency 50ms")
        yield Site(work, interface)
    finally:
        run(f"{LAB} down {NAME}; docker rm --force --volumes {NAME}")
        run(f"docker image ls --format '{{{{.Repository}}}}:{{{{.Tag}}}}' | grep {NAME} | xargs docker rmi --force")


def test_cold_and_one_layer_changed(site: Site) -> None:
    contenders: dict[str, Callable[[bool], None]] = {
        "save, gzip, copy, load": site.by_archive,
        "save | ssh load": site.by_pipe,
        "registry and pull": site.by_registry,
        "bundle and preload": site.by_preload,
    }
    times: dict[tuple[str, bool], float] = {}
    print()
    for name, work in contenders.items():
        site.forget()
        for changed in (False, True):
            before = site.sent()
            times[name, changed], _nothing = timed(lambda work=work, changed=changed: work(changed))  # type: ignore[misc]  # mypy knows no defaults of lambdas
            crossed = site.sent() - before
            print(
                f"{'one layer changed' if changed else 'cold'}: {name} {times[name, changed]:.1f} s, {crossed / MB:.1f} MB,"
                f" the link alone {crossed / LINK:.1f} s"
            )
    for changed, goal in ((False, 0.6), (True, 0.5)):
        *peers, ours = (times[name, changed] for name in contenders)
        print(f"{'one layer changed' if changed else 'cold'}: x {ours / min(peers):.2f} of the best (goal {goal})")
