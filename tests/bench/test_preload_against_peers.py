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

    def images(self, step: str) -> list[str]:
        """What the host lacks in a step: all images, the first of them as it was built again, or as it has another name now."""
        return [f"{NAME}:app{number}" for number in range(COUNT)] if step == "cold" else [f"{NAME}:app0-{step}"]

    def on_host(self, command: str, options: str = "") -> str:
        return run(f"ssh -F {self.work}/state/ssh_config {options} {HOST} \"sudo sh -c '{command}'\"")

    def forget(self) -> None:
        self.on_host("docker image ls --quiet | sort -u | xargs --no-run-if-empty docker image rm --force")
        assert not self.on_host("docker image ls --quiet --all")

    def sent(self) -> int:
        return int(Path(f"/sys/class/net/{self.interface}/statistics/tx_bytes").read_text())

    def by_archive(self, step: str) -> None:
        """kubespray's way, of all images that are not there, in one archive."""
        archive = self.work / "images.tar.gz"
        wanted = self.images(step)
        run(f"docker save {' '.join(wanted)} | gzip > {archive}")
        run(f"ssh -F {self.work}/state/ssh_config {HOST} sudo tee /root/images.tar.gz < {archive} > /dev/null")
        self.on_host("docker load --quiet --input /root/images.tar.gz && rm /root/images.tar.gz")

    def by_pipe(self, step: str) -> None:
        wanted = self.images(step)
        run(f"docker save {' '.join(wanted)} | ssh -F {self.work}/state/ssh_config {HOST} sudo docker load --quiet")

    def by_registry(self, step: str) -> None:
        if step == "cold":
            run(
                f"docker rm --force --volumes {NAME} 2>/dev/null; docker run --detach --publish 127.0.0.1:5999:5000 --name {NAME} {registry()}"
            )
            run("until curl --silent --fail http://127.0.0.1:5999/v2/; do :; done")
        wanted = self.images(step)
        for image in wanted:
            run(f"docker tag {image} 127.0.0.1:5999/{image} && docker push --quiet 127.0.0.1:5999/{image}")
        pulls = "; ".join(f"docker pull --quiet 127.0.0.1:5999/{image}" for image in wanted)
        self.on_host(f"set -e; {pulls}", "-o ControlPath=none -R 127.0.0.1:5999:127.0.0.1:5999")

    def by_preload(self, step: str) -> None:
        bundle = self.work / f"{step}.tar"
        images = self.images(step)
        wanted: dict[str, t.Any] = {"bundle_images": [f"docker-daemon:{image}" for image in images]}
        if step != "cold":
            wanted |= {"bundle_base": f"{self.work}/cold.tar", "bundle_allowed_signers": f"{self.work}/bench-signers"}
        run(
            f"ansible-playbook airlift.registry.bundle -e bundle_path={bundle} -e bundle_signing_key={self.work}/bench -e '{json.dumps(wanted)}'"
        )
        self.preload(bundle)

    def preload(self, bundle: Path) -> None:
        run(
            f"ansible-playbook -i {self.work}/state/inventory.yml airlift.registry.preload -e preload_bundle={bundle}"
            f" -e preload_allowed_signers={self.work}/bench-signers"
        )

    def by_name(self) -> None:
        """What kubespray asks before it sends anything: whether the names are there."""
        names = " ".join(self.images("cold"))
        run(f"ansible -i {self.work}/state/inventory.yml -b -m command -a 'docker image inspect {names}' {HOST}")


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
    run(f"docker tag {NAME}:app0 {NAME}:app0-renamed")
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


def test_what_hosts_lack(site: Site) -> None:
    """All images, then one with a layer that is new, then a new name for one that is there; and in the end nothing."""
    contenders: dict[str, Callable[[str], None]] = {
        "save, gzip, copy, load": site.by_archive,
        "save | ssh load": site.by_pipe,
        "registry and pull": site.by_registry,
        "bundle and preload": site.by_preload,
    }
    goals = {"cold": 0.6, "v2": 0.5, "renamed": 1.0}
    times: dict[tuple[str, str], float] = {}
    print()
    for name, work in contenders.items():
        site.forget()
        for step in goals:
            before = site.sent()
            times[name, step], _nothing = timed(lambda work=work, step=step: work(step))  # type: ignore[misc]  # mypy knows no defaults of lambdas
            crossed = site.sent() - before
            print(
                f"{step}: {name} {times[name, step]:.1f} s, {crossed / MB:.1f} MB, the link alone {crossed / LINK:.1f} s"
            )
    for step, goal in goals.items():
        *peers, ours = (times[name, step] for name in contenders)
        print(f"{step}: x {ours / min(peers):.2f} of the best (goal {goal})")
    asked, _nothing = timed(site.by_name)
    again, _nothing = timed(lambda: site.preload(site.work / "cold.tar"))
    print(
        f"nothing new: preload's playbook {again:.1f} s, `ansible -m command` that asks for the names only {asked:.1f} s"
    )
