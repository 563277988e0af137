# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making and verifying bundles against what a user would run instead: docker save, skopeo copy, sha256sum.

Prints times, sizes, memory and ratios of one run; `make bench` runs it. Times on a busy machine mean little, ratios more.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import typing as t
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _bundle_writer
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
NAMES = [f"airlift-bench-{os.getpid()}:v{number}" for number in range(1, 7)]
VERIFY = """
import resource, sys
from ansible_collections.airlift.registry.plugins.module_utils._bundle import load_bundle, verify_blobs
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
assert not verify_blobs(load_bundle(sys.argv[1], sys.argv[2], run_program))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@dataclass(frozen=True)
class Site:
    """Six images on one base in the machine's engine, and in a registry; a key; a directory."""

    work: Path
    signer: Signer
    registry: str

    def bundle(self, name: str, sources: list[str]) -> int:
        """Make a bundle by the module, as ansible runs it; the bytes that it has."""
        path = self.work / name
        wanted = [{"source": source, "name": f"app:{number}"} for number, source in enumerate(sources)]
        arguments = {"path": str(path), "images": wanted, "signing_key": str(self.signer.key)}
        run(f"ansible localhost -m airlift.registry.bundle -a '{json.dumps(arguments)}'")
        return path.stat().st_size


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Site]:
    monkeypatch = pytest.MonkeyPatch()
    work = tmp_path_factory.mktemp("bench")
    lab = f"{sys.executable} {ROOT}/molecule/resources/lab"
    base = run(f"{lab} image base").split()[-1]
    crane = run(f"{lab} tool crane").split()[-1]
    server = subprocess.Popen(
        [crane, "registry", "serve", "--address", "127.0.0.1:0", "--disk", str(work)], stderr=subprocess.PIPE, text=True
    )
    assert server.stderr
    port = next(found for line in server.stderr if (found := re.search(r"port (\d+)", line)))
    registry = f"127.0.0.1:{port[1]}"
    # skopeo of Debian 12 looks for its configuration nowhere else.
    (work / ".config/containers").mkdir(parents=True)
    (work / ".config/containers/registries.conf").write_text(
        f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n'
    )
    monkeypatch.setenv("HOME", str(work))
    try:
        for number, name in enumerate(NAMES):
            build(work / "context", base, name, number)
            run(f"skopeo copy docker-daemon:{name} docker://{registry}/app:{number}")
        yield Site(work, bundles.make_signer(work, "release"), registry)
    finally:
        monkeypatch.undo()
        server.terminate()
        server.communicate()
        run(f"docker rmi --force {' '.join(NAMES)}")


def build(context: Path, base: str, name: str, number: int) -> None:
    """An application of 8 MiB, half of which compresses well."""
    context.mkdir(exist_ok=True)
    (context / "app").write_bytes(os.urandom(4 * MIB) + f"line {number}\n".encode() * (4 * MIB // 7))
    (context / "Dockerfile").write_text(f"FROM {base}\nCOPY app /srv/app\n")
    run(f"docker build --quiet --tag {name} {context}")


def test_from_an_engine(site: Site) -> None:
    hand_one, _out = timed(lambda: run(f"docker save {' '.join(NAMES)} | gzip > {site.work}/all.tar.gz"))
    hand_each, _out = timed(
        lambda: [run(f"docker save {name} | gzip > {site.work}/{number}.tar.gz") for number, name in enumerate(NAMES)]
    )
    ours, size = timed(lambda: site.bundle("engine.tar", [f"docker-daemon:{name}" for name in NAMES]))
    each = sum((site.work / f"{number}.tar.gz").stat().st_size for number in range(len(NAMES)))
    show(
        "from an engine, against docker save|gzip of all at once",
        hand_one,
        ours,
        (site.work / "all.tar.gz").stat().st_size,
        size,
    )
    show("from an engine, against docker save|gzip image by image", hand_each, ours, each, size)
    assert size <= 0.6 * each


def test_from_a_registry(site: Site) -> None:
    sources = [f"docker://{site.registry}/app:{number}" for number in range(len(NAMES))]
    layout = site.work / "layout"
    hand, _out = timed(
        lambda: [run(f"skopeo copy {source} oci:{layout}:app{number}") for number, source in enumerate(sources)]
    )
    ours, size = timed(lambda: site.bundle("registry.tar", sources))
    show("from a registry, against skopeo copy image by image", hand, ours, tree_size(layout), size)
    assert size <= 1.02 * tree_size(layout)


def test_verification(tmp_path: Path) -> None:
    """The module's work without Ansible around it, on one core and on all."""
    signer = bundles.make_signer(tmp_path, "release")
    path = tmp_path / "b"
    with _bundle_writer.work_directory(str(path)) as work:
        store = BlobStore(work)
        packed = [bundles.pack(store, f"docker.io/library/app:{number}", [noise()]) for number in range(4)]
        _bundle_writer.write_bundle(store, packed, str(path), str(signer.key), run_program)
    core = min(os.sched_getaffinity(0))
    verify = f"PYTHONPATH={ROOT}/.venv/collections {sys.executable} -c '{VERIFY}' {path} {signer.allowed_signers}"
    hand = best(lambda: run(f"cd {path} && taskset -c {core} sha256sum --quiet -c SHA256SUMS"))
    one = best(lambda: run(f"export PYTHONPATH={ROOT}/.venv/collections; taskset -c {core} {verify.split(' ', 1)[1]}"))
    every = best(lambda: run(verify))
    # A process that takes the shell's place would also have the peak of whoever started the shell.
    memory = int(run(f"true; {verify}; true"))
    print(
        f"\nverification of {tree_size(path) / 1e6:.0f} MB: sha256sum on one core {hand:.2f} s; ours on one core {one:.2f} s, speed x {hand / one:.2f};"
        f" on all {every:.2f} s, speed x {hand / every:.2f}; {memory} MiB of memory"
    )
    assert memory <= 100


def noise() -> bytes:
    return images.tar([images.Member("data", os.urandom(96 * MIB))])


def tree_size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def show(what: str, hand: float, ours: float, hand_bytes: int, our_bytes: int) -> None:
    print(
        f"\n{what}: {hand:.1f} s, {hand_bytes / 1e6:.1f} MB; bundle {ours:.1f} s, {our_bytes / 1e6:.1f} MB;"
        f" time x {ours / hand:.2f}, size x {our_bytes / hand_bytes:.2f}"
    )


def best(work: Callable[[], t.Any]) -> float:
    return min(timed(work)[0] for _round in range(3))


def timed(work: Callable[[], t.Any]) -> tuple[float, t.Any]:
    started = time.monotonic()
    result = work()
    return time.monotonic() - started, result


def run(command: str) -> str:
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout
