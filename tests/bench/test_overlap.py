# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cold preload over a link of 100 Mbit/s: from the first byte sent to the last image proven, against the missing bytes over the link.

Six images on one base, of files of which gzip leaves a third. The floor is what the link alone takes. How much of the link push fills while it sends is
told by the run's events. `make bench ARGS="-k overlap"` runs it; times on a busy machine mean little.
"""

from __future__ import annotations

import json
import os
import random
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.bench.support import LAB, link_to, run, timed
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images

NAME = f"bench-overlap-{os.getpid()}"
HOST = "shop1"
LINK = 100_000_000 / 8  # bytes per second
MB = 1_000_000
SENDING, PROVEN = 0.95, 1.35  # the goals


def files(seed: int, megabytes: int) -> bytes:
    """The tar of a layer with files of 100 kB, of which gzip leaves a third."""
    some = random.Random(seed)
    contents = (some.randbytes(33_000) + bytes(67_000) for _number in range(megabytes * 10))
    return images.tar([images.Member(f"opt/{seed}/{number}", data) for number, data in enumerate(contents)])


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Path]:
    """A directory with a bundle, and a lab whose host has a link of 100 Mbit/s."""
    work = tmp_path_factory.mktemp("overlap")
    signer = bundles.make_signer(work, "bench")
    base = files(0, 150)
    contents = {f"docker.io/library/app{number}:v1": [base, files(number, 80)] for number in range(1, 7)}
    bundles.make_bundle(work / "six.tar", signer, contents)
    (work / "spec.json").write_text(json.dumps({"hosts": {HOST: {"groups": ["fleet"]}}}))
    run(f"{LAB} image host")
    try:
        (work / "state").symlink_to(run(f"{LAB} up {NAME} --spec {work}/spec.json").strip().splitlines()[-1])
        run(f"tc qdisc add dev {link_to(NAME, HOST)} root tbf rate 100mbit burst 128kb latency 50ms")
        yield work
    finally:
        run(f"{LAB} down {NAME}")


def test_a_cold_preload(work: Path) -> None:
    path = work / "events.jsonl"
    arguments = f"path={work}/six.tar allowed_signers={work}/bench-signers events={path}"
    run(f"ansible -i {work}/state/inventory.yml -b -m airlift.registry.image_preload -a '{arguments}' {HOST}")
    events = [json.loads(line) for line in path.read_text().splitlines()]
    (plan,) = (event for event in events if event["event"] == "plan")
    *_others, sent = (event for event in events if event["event"] == "progress")
    *_others, proven = (event for event in events if event["event"] == "image")
    assert sent["sent"] == plan["bytes"]
    floor = plan["bytes"] / LINK
    bare, _nothing = timed(lambda: run(f"ssh -F {work}/state/ssh_config {HOST} 'cat > /dev/null' < {work}/six.tar"))
    by_ssh = (work / "six.tar").stat().st_size / LINK / bare
    sending, cold = (event["time"] - plan["time"] for event in (sent, proven))
    print(
        f"\n{plan['bytes'] / MB:.1f} MB over 100 Mbit/s, {floor:.1f} s of the link alone: sent in {sending:.1f} s, "
        f"{floor / sending:.3f} of the link (goal {SENDING}; ssh alone {by_ssh:.3f}); proven after {cold:.1f} s, x {cold / floor:.2f} (goal {PROVEN})"
    )
