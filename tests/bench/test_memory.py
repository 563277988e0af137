# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a preload over ssh takes beside time: memory of each process on either side, and disk of staging. Layers of 64 MiB and of 1 GiB, which must make no difference.

The peers keep a whole archive on the host's disk, whatever it has already. `make bench` runs this.
"""

from __future__ import annotations

import json
import os
import threading
import typing as t
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.bench.support import LAB, run, tree_size

NAME = f"bench-{os.getpid()}"
HOST = "shop1"
LIMIT = 100  # MiB
MIB = 1024 * 1024


@dataclass
class Peaks:
    """The largest resident size of any Python process, in MiB by side, and the most bytes in staging."""

    memory: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    staging: int = 0


@contextmanager
def watched(root: Path) -> t.Iterator[Peaks]:
    """Look at both sides again and again. I(root) is the host's root directory, as this machine sees it; kernels keep the peak of a process (VmHWM)."""
    peaks, done = Peaks(), threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            for process in Path("/proc").glob("[0-9]*"):
                _look(process, peaks)
            peaks.staging = max(peaks.staging, _size(root / "var/lib/airlift/staging"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peaks
    finally:
        done.set()
        watcher.join()


def _look(process: Path, peaks: Peaks) -> None:
    try:
        command = (process / "cmdline").read_bytes().replace(b"\0", b" ")
        is_here = os.readlink(process / "ns/pid") == os.readlink("/proc/self/ns/pid")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    except OSError:
        return  # it has ended
    is_ours = b"ansible-playbook" in command if is_here else status["Name"].strip().startswith("python")
    if is_ours and "VmHWM" in status:
        side = "controller" if is_here else "host"
        peaks.memory[side] = max(peaks.memory[side], int(status["VmHWM"].split()[0]) // 1024)


def _size(place: Path) -> int:
    try:
        return tree_size(place)
    except OSError:
        return 0  # a part was renamed meanwhile


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Path]:
    work = tmp_path_factory.mktemp("bench")
    (work / "spec.json").write_text(json.dumps({"hosts": {HOST: {"groups": ["fleet"]}}}))
    run(f"ssh-keygen -q -t ed25519 -N '' -f {work}/key")
    run(f'echo "bench namespaces=\\"airlift-bundle\\" $(cat {work}/key.pub)" > {work}/signers')
    state = Path(run(f"{LAB} up {NAME} --spec {work}/spec.json").strip().splitlines()[-1])
    (work / "inventory.yml").symlink_to(state / "inventory.yml")
    try:
        yield work
    finally:
        run(f"{LAB} down {NAME}")


@pytest.mark.parametrize("size", [64, 1024])
def test_memory_and_disk(work: Path, size: int) -> None:
    image = f"airlift-bench/layer:{size}"
    # Bytes that do not compress: the layer is as large on the way as it is unpacked.
    run(f"mkdir -p {work}/{size} && head -c {size}M /dev/urandom > {work}/{size}/data")
    run(f"tar -C {work}/{size} -c . | docker import - {image} && rm {work}/{size}/data")
    try:
        images = json.dumps({"bundle_images": [f"docker-daemon:{image}"]})
        run(
            f"ansible-playbook airlift.registry.bundle -e bundle_path={work}/{size}.tar -e bundle_signing_key={work}/key -e '{images}'"
        )
    finally:
        run(f"docker image rm {image}")
    pid = run(f"docker inspect -f '{{{{.State.Pid}}}}' airlift-{NAME}-{HOST}").strip()
    with watched(Path(f"/proc/{pid}/root")) as peaks:
        run(
            f"ansible-playbook -i {work}/inventory.yml airlift.registry.preload -e preload_bundle={work}/{size}.tar"
            f" -e preload_allowed_signers={work}/signers -e preload_report={work}/report"
        )
    sent = json.loads((work / "report" / f"{HOST}.json").read_text())["bytes_sent"]
    memory = ", ".join(f"{side} {most} MiB" for side, most in sorted(peaks.memory.items()))
    print(
        f"\na layer of {size} MiB over ssh: {memory} for the largest process; staging x {peaks.staging / sent:.3f} of the bytes that lacked"
    )
    assert sent > size * MIB
    assert set(peaks.memory) == {"controller", "host"}
    assert all(0 < most <= LIMIT for most in peaks.memory.values())
    assert sent * 0.9 < peaks.staging <= 1.05 * sent
