# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Updates over a link of 10 Mbit/s: an application that was built again, and a Debian whose packages were upgraded, as deltas; against kubespray's way.

The image is a Debian of some 80 MB below an application of as much. Packing is in all times. `make bench ARGS="-k end_to_end"` runs it, in about three
minutes; times on a busy machine mean little.
"""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.bench.contenders import NO_REGISTRY, Fleet
from ansible_collections.airlift.registry.tests.bench.support import LAB, link_to, run, timed
from ansible_collections.airlift.registry.tests.bench.test_deltas import rebuilt_application, upgraded_debian
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles

NAME = f"bench-delta-{os.getpid()}"
HOST = "shop1"
APP1, APP2, DEBIAN1, DEBIAN2 = (f"{NAME}:{name}" for name in ("app1", "app2", "debian1", "debian2"))
MB = 1_000_000


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Fleet]:
    """Both builds in the machine's engine, and a host that has the first, xdelta3, and a link of 10 Mbit/s."""
    work = tmp_path_factory.mktemp("delta")
    bundles.make_signer(work, "bench")
    (work / "spec.json").write_text(json.dumps({"hosts": {HOST: {"groups": ["fleet"]}}}))
    run(f"{LAB} image host")
    try:
        build(work / "build")
        (work / "state").symlink_to(run(f"{LAB} up {NAME} --spec {work}/spec.json").strip().splitlines()[-1])
        fleet = Fleet(work, {HOST: f"airlift-{NAME}-{HOST}"}, NO_REGISTRY, "")
        fleet.play("airlift.registry.prepare", prepare_xdelta3="/usr/bin/xdelta3")
        fleet.bundle([APP1], "cold")
        fleet.preload("cold")
        run(f"tc qdisc add dev {link_to(NAME, HOST)} root tbf rate 10mbit burst 32kb latency 50ms")
        yield fleet
    finally:
        run(f"{LAB} down {NAME}; docker rmi --force {APP1} {APP2} {DEBIAN1} {DEBIAN2}")


def build(place: Path) -> None:
    place.mkdir()
    upgraded_debian(place / "debian1", place / "debian2")
    rebuilt_application(place / "app1", place / "app2")
    for debian in (DEBIAN1, DEBIAN2):
        run(f"tar --sort=name -C {place}/{debian.partition(':')[2]} -c . | docker import - {debian}")
    for app in (APP1, APP2):
        name = app.partition(":")[2]
        (place / "Dockerfile").write_text(f"FROM {DEBIAN1}\nCOPY {name} /opt/app\n")
        run(f"docker build --quiet --tag {app} {place}")
    run(f"rm -r {place}")


def by_delta(fleet: Fleet, image: str, step: str) -> dict[str, t.Any]:
    """Bring an update of what the host has; its report."""
    fleet.bundle([image], step, bundle_deltas="beside")
    fleet.preload(step, preload_link_speed=1_250_000, preload_report=f"{fleet.work}/report")
    return t.cast("dict[str, t.Any]", json.loads((fleet.work / "report" / f"{HOST}.json").read_text()))


def share(title: str, report: t.Mapping[str, t.Any], goal: float) -> None:
    """Bytes that were sent, over the gzip of the layer that is new."""
    layer = report["images"][0]["layers"][-1]
    ratio = report["bytes_sent"] / layer["size"]
    print(
        f"  {title}: {report['bytes_sent'] / MB:.2f} MB for {layer['size'] / MB:.1f} MB gzipped, x {ratio:.4f} (goal {goal}); {layer['reason']}"
    )
    assert layer["action"] == "delta"
    assert ratio <= goal


def test_updates_end_to_end(fleet: Fleet) -> None:
    packing, _nothing = timed(lambda: fleet.bundle([APP2], "packed", bundle_deltas="beside"))
    app_time, app = timed(lambda: by_delta(fleet, APP2, "app2"))
    debian_time, debian = timed(lambda: by_delta(fleet, DEBIAN2, "debian2"))
    fleet.everywhere(lambda host: fleet.ssh(host, f"docker image rm --force {APP2} {DEBIAN2}"))
    app_peer, _nothing = timed(lambda: fleet.by_kubespray([APP2], "app2"))
    print("\nover 10 Mbit/s")
    share("rebuilt application", app, 0.02)
    share("Debian upgrade", debian, 0.10)
    print(
        f"  rebuilt application end to end: delta {app_time:.1f} s, of which {packing:.1f} s of packing; kubespray's way {app_peer:.1f} s:"
        f" x {app_time / app_peer:.3f} (goal 0.1). Debian upgrade by delta {debian_time:.1f} s"
    )
