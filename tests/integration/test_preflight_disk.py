# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The room that loading takes, as it is estimated, against what real engines take of a real disk (ext4), at the most at one time."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import typing as t
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _preflight
from ansible_collections.airlift.registry.plugins.module_utils._engine import CONTAINERD_STORE
from ansible_collections.airlift.registry.plugins.module_utils._pool import Pool
from ansible_collections.airlift.registry.plugins.module_utils._restore import Restorer
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.integration.support import lab as labs
from ansible_collections.airlift.registry.tests.integration.support.lab import Lab, eventually
from ansible_collections.airlift.registry.tests.integration.support.play import Result
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

HOST = "fleet1"
DISK, SOCKET = "/mnt/measured", "/run/measured/docker.sock"
TOO_HIGH = 1.5
ENGINES = {
    "overlay2": {"storage-driver": "overlay2"},
    "containerd": {"features": {"containerd-snapshotter": True}, "containerd": "/run/measured/c.sock"},
}
# Loads what comes in, and says how many bytes and inodes the disk had less, at the most, than before.
METER = """
import os, subprocess, sys
def free():
    status = os.statvfs(sys.argv[1])
    return status.f_bfree * status.f_frsize, status.f_ffree
os.sync()
before = least = free()
load = subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL)
while load.poll() is None:
    least = tuple(map(min, least, free()))
os.sync()
least = tuple(map(min, least, free()))
assert load.returncode == 0
print(*(had - has for had, has in zip(before, least)))
"""


@contextmanager
def disk(lab: Lab) -> t.Iterator[None]:
    """An ext4 file system of 1 GiB in a file on the host."""
    lab.run(HOST, f"mkdir -p {DISK} /run/measured && truncate -s 1G /var/lib/measured.img")
    lab.run(
        HOST, "mkfs.ext4 -q -F /var/lib/measured.img; test -e /dev/loop-control || mknod /dev/loop-control c 10 237"
    )
    attach = (
        'N=$(losetup --find); N=${N%% *}; test -e "$N" || mknod "$N" b 7 "${N#/dev/loop}";'
        ' losetup "$N" /var/lib/measured.img && echo "$N"'
    )
    # Somebody else may have taken the device that was free.
    device = eventually(lambda: lab.run(HOST, attach, check=False), "a loop device")
    try:
        lab.run(HOST, f"mount {device} {DISK}")
        yield
    finally:
        lab.run(HOST, f"umount {DISK}; losetup --detach {device} && rm -rf /run/measured /var/lib/measured.img")


@contextmanager
def daemon(lab: Lab, name: str, command: str) -> t.Iterator[None]:
    """A daemon on the host, until the end."""
    pid = lab.run(HOST, f"{command} >/run/measured/{name}.log 2>&1 & echo $!")
    try:
        yield
    finally:
        lab.run(HOST, f"kill {pid}; while kill -0 {pid} 2>/dev/null; do sleep 0.05; done")


@pytest.fixture(scope="module", params=sorted(ENGINES))
def engine(lab: Lab, request: pytest.FixtureRequest) -> t.Iterator[str]:
    """An engine whose whole storage is on a disk of its own; how it keeps images."""
    containerd = f"containerd --root {DISK}/c --state /run/measured/c --address /run/measured/c.sock"
    dockerd = (
        f"dockerd --config-file /run/measured/docker.json --host unix://{SOCKET} --data-root {DISK}/docker --exec-root /run/measured/exec"
        " --pidfile /run/measured/pid --bridge none --iptables=false --ip6tables=false"
    )
    with disk(lab), daemon(lab, "containerd", containerd):
        lab.run(HOST, f"echo {shlex.quote(json.dumps(ENGINES[request.param]))} >/run/measured/docker.json")
        eventually(lambda: lab.run(HOST, "test -S /run/measured/c.sock && echo yes", check=False), "containerd")
        with daemon(lab, "dockerd", dockerd):
            ask = f"docker -H unix://{SOCKET} info -f '{{{{.DriverStatus}}}}'"
            status = eventually(lambda: lab.run(HOST, ask, check=False), "the engine")
            assert (CONTAINERD_STORE in status) == (request.param == "containerd")
            yield request.param


def small_files() -> bytes:
    return images.tar([images.Member(f"f{number}", os.urandom(100 + number % 1500)) for number in range(8000)])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, signer: Signer, v2: Result) -> dict[str, Path]:
    """Bundles by what is in them: a distribution with an application, many small files, one large file, nothing but zeros."""
    directory = tmp_path_factory.mktemp("made")
    layers = {
        "small files": [small_files()],
        "one large file": [images.tar([images.Member("data", os.urandom(40 << 20))])],
        "zeros": [images.tar([images.Member("data", bytes(80 << 20))])],
    }
    for name, content in layers.items():
        bundles.make_bundle(directory / f"{name}.tar", signer, {"docker.io/library/measured:v1": content})
    return {"a distribution": Path(v2["path"]), **{name: directory / f"{name}.tar" for name in layers}}


@pytest.mark.parametrize("content", ["a distribution", "small files", "one large file", "zeros"])
def test_the_estimate_is_enough_and_not_much_more(
    lab: Lab, engine: str, made: dict[str, Path], content: str, signer: Signer, tmp_path: Path
) -> None:
    bundle = bundles.load(made[content], signer)
    pool = Pool([bundle], Restorer(str(tmp_path), run_program))
    layers = {layer.blob.digest: layer for image in bundle.images for layer in image.layers}
    room, inodes = _preflight.engine_room([pool.footprint(layer) for layer in layers.values()])
    took, took_inodes = load(lab, made[content])
    print(
        f"{engine}, {content}: took {took}, estimated {room} (of it a margin of {_preflight.DISK_MARGIN}), ratio {room / took:.3f}"
    )
    assert took <= room
    assert room - _preflight.DISK_MARGIN <= TOO_HIGH * took
    assert took_inodes <= inodes


def load(lab: Lab, bundle: Path) -> tuple[int, int]:
    """Load a bundle; the bytes and inodes that it took. Afterwards they are free again."""
    meter = ["python3", "-c", METER, DISK, "docker", "-H", f"unix://{SOCKET}", "load", "--quiet"]
    with bundle.open("rb") as stream:
        command = ["docker", "exec", "-i", f"airlift-{labs.NAME}-{HOST}", *meter]
        said = subprocess.run(command, stdin=stream, check=True, stdout=subprocess.PIPE, text=True).stdout
    lab.run(HOST, f"docker -H unix://{SOCKET} image prune --all --force")
    took, inodes = map(int, said.split())
    return took, inodes
