# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deltas against the gzip of the same layer: a rebuilt application, and a Debian whose packages were upgraded.

Prints bytes, ratios, times and the largest memory that xdelta3 took. The Debian is upgraded, so this needs a mirror.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sysconfig
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _delta, _unpack
from ansible_collections.airlift.registry.plugins.module_utils._sketch import sketch
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.bench.support import LAB, run, timed, tree_size

EDITED = 15
APPLICATION = 84_000_000  # bytes, at most, of files
UPGRADE = (
    "set -e; echo deb http://deb.debian.org/debian-security bookworm-security main >> /etc/apt/sources.list;"
    "apt-get -qq update; apt-get -qq --yes upgrade; rm -r /var/lib/apt/lists/* /var/cache/apt/*"
)


def rebuilt_application(old: Path, new: Path) -> None:
    """Some of what pip installed, and the same with some files edited; every time stamp is new, as a build makes them."""
    old.mkdir()
    room = APPLICATION
    for place in sorted(Path(sysconfig.get_path("purelib")).iterdir()):
        size = tree_size(place)
        if size <= room and place.is_dir():
            room -= size
            shutil.copytree(place, old / place.name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(old, new, symlinks=True, copy_function=shutil.copy)
    sources = sorted(path for path in new.rglob("*.py") if path.stat().st_size > 1000)
    for path in sources[:: len(sources) // EDITED][:EDITED]:
        path.write_text(path.read_text().replace("\n", "\n# built again\n", 1))


def upgraded_debian(old: Path, new: Path) -> None:
    """Debian 12 as it was released last, and the same with its security updates. Both are the lab's base, and small."""
    base = run(f"{LAB} image base-bookworm").split()[-1]
    for tree, command in ((old, "true"), (new, UPGRADE)):
        container = run(f"docker create --network host {base} sh -c '{command}'").strip()
        tree.mkdir()
        try:
            run(f"docker start --attach {container} && docker export {container} | tar -x -C {tree}")
        finally:
            run(f"docker rm --force {container}")


def tar(tree: Path, target: Path) -> Path:
    subprocess.run(["tar", "--sort=name", "--numeric-owner", "-C", str(tree), "-cf", str(target), "."], check=True)
    return target


CASES: list[t.Any] = [
    pytest.param(rebuilt_application, 0.02, id="rebuilt application"),
    pytest.param(upgraded_debian, 0.10, id="Debian upgrade"),
]


@pytest.mark.parametrize(("prepare", "goal"), CASES)
def test_delta_against_gzip(
    tmp_path: Path, request: pytest.FixtureRequest, prepare: t.Callable[[Path, Path], None], goal: float
) -> None:
    prepare(tmp_path / "1", tmp_path / "2")
    old, new = (str(tar(tmp_path / name, tmp_path / f"{name}.tar")) for name in ("1", "2"))
    delta, restored = str(tmp_path / "delta"), str(tmp_path / "restored")
    gzipped = sum(map(len, _unpack.compressed(_unpack.file_chunks(new), "gzip")))
    choosing, share = timed(lambda: sketch(_unpack.file_chunks(new)).share_in(sketch(_unpack.file_chunks(old))))
    making, _nothing = timed(lambda: _delta.encode(old, new, delta, run_program))
    applying, _nothing = timed(lambda: _delta.apply(old, delta, restored, os.path.getsize(new), run_program))
    assert _unpack.digest_of(restored) == _unpack.digest_of(new)
    ratio = os.path.getsize(delta) / gzipped
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f"\n{request.node.callspec.id}: layer {os.path.getsize(new) / 1e6:.1f} MB, gzip {gzipped / 1e6:.1f} MB,"
        f" delta {os.path.getsize(delta) / 1e6:.2f} MB: x {ratio:.4f} of gzip (goal {goal}); {share:.2f} of it in its base;"
        f" choose {choosing:.1f} s, make {making:.1f} s, apply {applying:.1f} s; memory of programs at most {memory:.0f} MiB"
    )
    assert ratio <= goal
