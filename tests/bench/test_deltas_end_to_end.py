# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An application that was built again, over a link of 10 Mbit/s: a delta, against kubespray's way (`docker save | gzip` of the image, copy, `docker load`).

Packing is in both times. `make bench ARGS="-k end_to_end"` runs it; times on a busy machine mean little.
"""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.bench.support import LAB, link_to, run, timed
from ansible_collections.airlift.registry.tests.bench.test_deltas import rebuilt_application
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles

NAME = f"bench-delta-{os.getpid()}"
HOST = "shop1"
TAG = f"airlift-{NAME}:"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Path]:
    """A directory with the two builds in the machine's engine, and a lab whose host has a link of 10 Mbit/s, the first build, and xdelta3."""
    work = tmp_path_factory.mktemp("delta")
    bundles.make_signer(work, "bench")
    rebuilt_application(work / "v1", work / "v2")
    for version in ("v1", "v2"):
        (work / f"{version}.Dockerfile").write_text(f"FROM scratch\nCOPY {version} /opt/app\n")
        run(f"docker build --quiet --tag {TAG}{version} --file {work}/{version}.Dockerfile {work}")
    (work / "spec.json").write_text(json.dumps({"hosts": {HOST: {"groups": ["fleet"]}}}))
    run(f"{LAB} image host")
    try:
        (work / "state").symlink_to(run(f"{LAB} up {NAME} --spec {work}/spec.json").strip().splitlines()[-1])
        run(
            f"ansible-playbook -i {work}/state/inventory.yml airlift.registry.prepare -e prepare_xdelta3=/usr/bin/xdelta3"
        )
        pack(work, "v1")
        preload(work, "v1")
        run(f"tc qdisc add dev {link_to(NAME, HOST)} root tbf rate 10mbit burst 32kb latency 50ms")
        yield work
    finally:
        run(f"{LAB} down {NAME}; docker rmi --force {TAG}v1 {TAG}v2")


def pack(work: Path, version: str, **more: str) -> None:
    wanted = json.dumps({"bundle_images": [f"docker-daemon:{TAG}{version}"], **more})
    run(
        f"ansible-playbook airlift.registry.bundle -e bundle_path={work}/{version}.tar -e bundle_signing_key={work}/bench"
        f" -e bundle_allowed_signers={work}/bench-signers -e '{wanted}'"
    )


def preload(work: Path, version: str) -> dict[str, t.Any]:
    run(
        f"ansible-playbook -i {work}/state/inventory.yml airlift.registry.preload -e preload_bundle={work}/{version}.tar"
        f" -e preload_allowed_signers={work}/bench-signers -e preload_report={work}/report -e preload_link_speed=1250000"
    )
    return t.cast("dict[str, t.Any]", json.loads((work / "report" / f"{HOST}.json").read_text()))


def by_delta(work: Path) -> dict[str, t.Any]:
    pack(work, "v2", bundle_base=f"{work}/v1.tar", bundle_deltas="beside")
    return preload(work, "v2")


def by_hand(work: Path) -> int:
    """Save, compress, copy, load; the bytes that crossed."""
    archive = work / "v2.tar.gz"
    run(f"docker save {TAG}v2 | gzip > {archive}")
    run(f"ssh -F {work}/state/ssh_config {HOST} sudo docker load < {archive}")
    return archive.stat().st_size


def test_an_update_end_to_end(work: Path) -> None:
    delta_time, report = timed(lambda: by_delta(work))
    run(f"ssh -F {work}/state/ssh_config {HOST} sudo docker rmi --force {TAG}v2")
    hand_time, hand_bytes = timed(lambda: by_hand(work))
    layer = report["images"][0]["layers"][-1]
    print(
        f"\nrebuilt application over 10 Mbit/s: delta {delta_time:.1f} s, {report['bytes_sent'] / 1e6:.2f} MB; save|gzip, copy, load {hand_time:.1f} s,"
        f" {hand_bytes / 1e6:.2f} MB: time x {delta_time / hand_time:.3f} (goal 0.1), bytes x {report['bytes_sent'] / layer['size']:.4f} of the layer's gzip"
        f" (goal 0.02); {layer['reason']}"
    )
    assert layer["action"] == "delta"
    assert report["bytes_sent"] <= 0.02 * layer["size"]
