# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images on one base, from the machine's engine to 1, 4 and 16 hosts over a free link, 100 Mbit/s and 10 Mbit/s, by what people do today and by bundle and preload.

Each host has a link of its own. Beside what is printed, .cache/bench has the figures (peers.json), a table (peers.md) and a drawing (peers.svg).
`make bench ARGS="-k peers"` runs all cells, `make bench ARGS="-k 4-hosts-10-Mbit"` one. docs/peers.md says what the contenders are.
"""

from __future__ import annotations

import json
import os
import random
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.bench.contenders import CONTENDERS, OURS, Fleet
from ansible_collections.airlift.registry.tests.bench.meters import Meter, Spent
from ansible_collections.airlift.registry.tests.bench.outcome import FAST, FREE, THIN, Cell, keep, line
from ansible_collections.airlift.registry.tests.bench.support import LAB, link_to, run, timed
from ansible_collections.airlift.registry.tests.integration.support.registries import Registry, distribution
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles

NAME = f"bench-peers-{os.getpid()}"
COUNT = 3
MB = 1_000_000
CELLS = [Cell(hosts, megabits) for hosts in (1, 4, 16) for megabits in (FREE, FAST, THIN)]
SIZES = {"small": (12, 6), "large": (48, 24)}  # MB of the base and of each image beyond it; gzip leaves a third


def images(size: str, step: str) -> list[str]:
    """What is brought in a step."""
    name = f"{NAME}:{size}"
    return [f"{name}{number}" for number in range(COUNT)] if step == "cold" else [f"{name}0-{step}"]


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


@dataclass
class Site:
    """The lab, which grows, the images in the machine's engine, and all that was measured."""

    work: Path
    hosts: dict[str, str] = field(default_factory=dict)
    built: set[str] = field(default_factory=set)
    found: dict[Cell, dict[tuple[str, str], Spent]] = field(default_factory=dict)

    def grow(self, count: int) -> None:
        """Have so many hosts at least, each with a registry of its own on its loopback."""
        names = [f"shop{number}" for number in range(1, max(count, len(self.hosts)) + 1)]
        (self.work / "spec.json").write_text(json.dumps({"hosts": {name: {"groups": ["fleet"]} for name in names}}))
        state = run(f"{LAB} up {NAME} --spec {self.work}/spec.json").strip().splitlines()[-1]
        if not self.hosts:
            (self.work / "state").symlink_to(state)
        for name in names[len(self.hosts) :]:
            container = self.hosts[name] = f"airlift-{NAME}-{name}"
            run(f"docker exec {container} mkdir -p /etc/docker/certs.d")
            run(
                f"docker cp {self.work}/registry {container}:/usr/local/lib/ && docker cp {self.work}/registry.yml {container}:/usr/local/lib/"
            )
            run(f"docker exec --detach {container} /usr/local/lib/registry serve /usr/local/lib/registry.yml")

    def build(self, size: str) -> None:
        """Have the images of a size."""
        if size in self.built:
            return
        shared, own = SIZES[size]
        build(self.work / "context", "scratch", 0, shared, f"{NAME}:{size}-base")
        for number in range(COUNT):
            build(self.work / "context", f"{NAME}:{size}-base", number + 1, own, f"{NAME}:{size}{number}")
        build(self.work / "context", f"{NAME}:{size}-base", COUNT + 1, own, f"{NAME}:{size}0-v2")
        run(f"docker tag {NAME}:{size}0 {NAME}:{size}0-renamed")
        self.built.add(size)

    @contextmanager
    def fleet(self, cell: Cell) -> t.Iterator[tuple[Fleet, Meter]]:
        """The hosts of a cell, and a registry of the site that is empty and that they trust, as this machine's engine does."""
        self.grow(cell.hosts)
        self.build(cell.size)
        chosen = dict(list(self.hosts.items())[: cell.hosts])
        links = [link_to(NAME, host) for host in chosen]
        (self.work / "site").mkdir()
        with distribution(self.work / "site", "peers", NAME) as registry, trusted(registry, list(chosen.values())):
            shape(links, list(chosen.values()), cell.megabits)
            host = registry.host.partition(":")[0]
            controller = json.loads(run(f"ip -j route get {host}"))[0]["prefsrc"]
            places = (str(self.work), run("docker info --format '{{.DockerRootDir}}'").strip())
            yield Fleet(self.work, chosen, registry, controller), Meter(tuple(links), tuple(chosen.values()), places)
        run(f"rm -r {self.work}/site")


@contextmanager
def trusted(registry: Registry, containers: t.Sequence[str]) -> t.Iterator[None]:
    place = f"/etc/docker/certs.d/{registry.host}"
    run(f"mkdir -p {place} && cp {registry.ca} {place}/ca.crt")
    try:
        for container in containers:
            run(f"docker cp {place} {container}:{place}")
        yield
    finally:
        run(f"rm -r {place}")


def shape(links: t.Sequence[str], containers: t.Sequence[str], megabits: int) -> None:
    """Links as thin as that, both ways."""
    ends = [f"tc qdisc {{}} dev {link} root" for link in links]
    ends += [
        f"nsenter --target $(docker inspect -f '{{{{.State.Pid}}}}' {name}) --net tc qdisc {{}} dev eth0 root"
        for name in containers
    ]
    for end in ends:
        run(f"{end.replace('{}', 'del')} 2>/dev/null || true")
        if megabits:
            run(f"{end.replace('{}', 'add')} tbf rate {megabits}mbit burst 128kb latency 50ms")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Site]:
    work = tmp_path_factory.mktemp("peers")
    bundles.make_signer(work, "bench")
    found = dict(line.split() for line in run(f"{LAB} image registry host").splitlines())
    run(
        f"docker create --name {NAME} {found['registry']} && docker cp {NAME}:/bin/registry {work}/ && docker rm {NAME}"
    )
    (work / "registry.yml").write_text(
        "{version: 0.1, storage: {filesystem: {rootdirectory: /var/lib/pushed}}, http: {addr: '127.0.0.1:5000'}}\n"
    )
    listing = "docker image ls --format '{{.Repository}}:{{.Tag}}'"
    try:
        yield Site(work)
    finally:
        run(f"{LAB} down {NAME}; {listing} | (grep {NAME} || true) | xargs --no-run-if-empty docker rmi --force")


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: str(cell).replace(" ", "-").replace(",", "").replace("/s", ""))
def test_what_hosts_lack(site: Site, cell: Cell) -> None:
    found: dict[tuple[str, str], Spent] = {}
    with site.fleet(cell) as (fleet, meter):
        print(f"\n{cell}: {COUNT} images on one base, {' and '.join(map(str, SIZES[cell.size]))} MB before compression")
        for name in cell.contenders:
            fleet.forget()
            for step in cell.steps:
                wanted = images(cell.size, step)
                spent = meter.measure(lambda name=name, wanted=wanted, step=step: CONTENDERS[name](fleet, wanted, step))  # type: ignore[misc]  # mypy knows no defaults of lambdas
                assert fleet.has(wanted[-1]), (name, step)
                found[name, step] = spent
                print(line(name, step, spent))
        if "renamed" in cell.steps:
            asked, _nothing = timed(lambda: fleet.ask_for(images(cell.size, "cold")))
            again, _nothing = timed(lambda: fleet.preload("cold"))
            print(
                f"nothing new: preload's playbook {again:.1f} s, `ansible -m command` that asks for the names only {asked:.1f} s"
            )
        fleet.forget()
    for step in cell.steps:
        best = min(spent.seconds for (name, of_step), spent in found.items() if of_step == step and name not in OURS)
        ours = {name: found[name, step].seconds / best for name in cell.contenders if name in OURS}
        print(f"{step}: {', '.join(f'{name} x {ratio:.2f}' for name, ratio in ours.items())} of the best of the others")
    site.found[cell] = found
    keep(site.found)
