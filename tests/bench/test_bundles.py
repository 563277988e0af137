# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making and verifying bundles against what a user would run instead: docker save, skopeo copy, sha256sum.

Prints the medians of three rounds, sizes, memory and ratios; `make bench` runs it. Ours are the times of whole Ansible runs, whose start is printed
beside them. Times on a busy machine mean little, ratios more.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _bundle_writer, _oci
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._image import Image, Layer
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.bench.support import (
    LAB,
    ROOT,
    contest,
    peak_memory,
    run,
    tree_size,
)
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

MIB = 1 << 20
COUNT = 6
BASE, OWN = 256 * MIB, 160 * MIB  # of the images in the registry: what they share, and what each has alone
LARGE = 2048 * MIB  # a layer that must not be held in memory
MEMORY = 100  # MiB, the most that a process of ours may take
PING = "ansible localhost -m ansible.builtin.ping"
VERIFY = """
import sys
from ansible_collections.airlift.registry.plugins.module_utils._bundle import load_bundle, verify_blobs
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
assert not verify_blobs(load_bundle(sys.argv[1], sys.argv[2], run_program))
"""


@dataclass(frozen=True)
class Site:
    """A directory for bundles, a key that signs them, and a registry."""

    work: Path
    signer: Signer
    registry: str

    def command(self, name: str, sources: list[str]) -> str:
        """The command that makes the bundle I(name) of these sources anew, by the module."""
        wanted = [{"source": source, "name": f"app:{number}"} for number, source in enumerate(sources)]
        arguments = {"path": str(self.work / name), "images": wanted, "signing_key": str(self.signer.key)}
        return f"rm -rf {self.work / name}; ansible localhost -m airlift.registry.bundle -a '{json.dumps(arguments)}'"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Site]:
    monkeypatch = pytest.MonkeyPatch()
    work = tmp_path_factory.mktemp("bench")
    crane = run(f"{LAB} tool crane").split()[-1]
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
        yield Site(work, bundles.make_signer(work, "release"), registry)
    finally:
        monkeypatch.undo()
        server.terminate()
        server.communicate()
        shutil.rmtree(work)


@pytest.fixture(scope="module")
def applications(site: Site) -> t.Iterator[list[str]]:
    """Images of the machine's engine: a Debian, Python's library on it, and what pip installed, a part of it in each."""
    name = f"airlift-bench-{os.getpid()}"
    names = [f"{name}:v{number}" for number in range(COUNT)]
    context = site.work / "context"
    try:
        build(context, run(f"{LAB} image base").split()[-1], [Path(sysconfig.get_path("stdlib"))], f"{name}:python")
        packages = sorted(Path(sysconfig.get_path("purelib")).iterdir())
        for number, tag in enumerate(names):
            build(context, f"{name}:python", packages[number::COUNT], tag)
        yield names
    finally:
        run(f"docker rmi --force {' '.join(names)} {name}:python")


def build(context: Path, base: str, trees: list[Path], tag: str) -> None:
    """An image with these files on a base."""
    for tree in trees:
        ignored = shutil.ignore_patterns("site-packages", "ansible_collections", "__pycache__", "test")
        if tree.is_dir() and tree.name != "ansible_collections":
            shutil.copytree(tree, context / "files" / tree.name, ignore=ignored)
    (context / "Dockerfile").write_text(f"FROM {base}\nCOPY files /srv\n")
    run(f"docker build --quiet --tag {tag} {context}")
    shutil.rmtree(context)


@pytest.fixture(scope="module")
def noise(site: Site) -> Path:
    """A bundle of images that share a base, all of content that nothing compresses; the registry has them as well."""
    path = site.work / "noise"
    with _bundle_writer.work_directory(str(path)) as work:
        store = BlobStore(work)
        base = noise_layer(store, BASE)
        packed = [
            pack(store, f"docker.io/library/app:{number}", [base, noise_layer(store, OWN)]) for number in range(COUNT)
        ]
        _bundle_writer.write_bundle(store, packed, str(path), str(site.signer.key), run_program)
    for number in range(COUNT):
        push(path, f"docker.io/library/app:{number}", f"{site.registry}/app:{number}")
    return path


def noise_layer(store: BlobStore, size: int) -> Layer:
    content = images.tar([images.Member("data", os.urandom(size))])
    return store.add_layer(io.BytesIO(gzip.compress(content, compresslevel=0)), "noise")


def pack(store: BlobStore, name: str, layers: list[Layer]) -> Packed:
    rootfs = {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]}
    config = store.add_document(images.config([], rootfs=rootfs), _oci.OCI_CONFIG)
    manifest = store.add_document(_oci.image_manifest(config, [layer.blob for layer in layers]), _oci.OCI_MANIFEST)
    image = Image(name, manifest, config, "linux/amd64", "2026-01-02T03:04:05Z", tuple(layers))
    return Packed(image, f"docker-daemon:{name}", config.digest)


def push(bundle: Path, name: str, destination: str) -> None:
    run(f"skopeo copy --quiet oci:{bundle}:{name} docker://{destination}")


def test_from_an_engine(site: Site, applications: list[str]) -> None:
    one, each, ours = (site.work / name for name in ("one.tar.gz", "each", "engine.tar"))
    each.mkdir()
    save_each = "; ".join(f"docker save {name} | gzip > {each}/{name}.tar.gz" for name in applications)
    make = site.command(ours.name, [f"docker-daemon:{name}" for name in applications])
    times = contest(
        {
            "one docker save of all | gzip": lambda: run(f"docker save {' '.join(applications)} | gzip > {one}"),
            "docker save | gzip image by image": lambda: run(save_each),
            "bundle": lambda: run(make),
            "Ansible's start": lambda: run(PING),
        }
    )
    show(
        "from an engine", times, {"one docker save of all | gzip": one, "docker save | gzip image by image": each}, ours
    )
    assert tree_size(ours) <= 0.6 * tree_size(each)


def test_from_a_registry(site: Site, noise: Path) -> None:
    assert noise.is_dir()
    layout, ours = site.work / "layout", site.work / "registry.tar"
    sources = [f"docker://{site.registry}/app:{number}" for number in range(COUNT)]
    copies = "; ".join(
        f"skopeo copy --quiet {source} oci:{layout}:app{number}" for number, source in enumerate(sources)
    )
    make = site.command(ours.name, sources)
    times = contest(
        {
            "skopeo copy image by image": lambda: run(f"rm -rf {layout}; {copies}"),
            "bundle": lambda: run(make),
            "Ansible's start": lambda: run(PING),
        }
    )
    show("from a registry", times, {"skopeo copy image by image": layout}, ours)
    assert tree_size(ours) <= 1.02 * tree_size(layout)


def test_verification(site: Site, noise: Path) -> None:
    """The module's work without Ansible around it, on one core and on all."""
    one_core = f"taskset -c {min(os.sched_getaffinity(0))}"
    verify = f"{sys.executable} -c '{VERIFY}' {noise} {site.signer.allowed_signers}"
    library = f"export PYTHONPATH={ROOT}/.venv/collections;"
    times = contest(
        {
            "sha256sum on one core": lambda: run(f"cd {noise} && {one_core} sha256sum --quiet -c SHA256SUMS"),
            "ours on one core": lambda: run(f"{library} {one_core} {verify}"),
            "ours on all cores": lambda: run(f"{library} {verify}"),
        }
    )
    hand = times["sha256sum on one core"]
    one, every = times["ours on one core"], times["ours on all cores"]
    print(
        f"\nverification of {tree_size(noise) / 1e6:.0f} MB: {listed(times)};"
        f" speed x {hand / one:.2f} on one core, x {hand / every:.2f} on all {len(os.sched_getaffinity(0))}"
    )
    memory = peak_memory(f"{library} {verify}")
    print(f"memory of bundle verification: {memory} MiB")
    assert memory <= MEMORY


@pytest.fixture(scope="module")
def large(site: Site) -> t.Iterator[Path]:
    """What docker save would write of an image with one large layer. The engine has it as well."""
    archive = site.work / "large.tar"
    name = f"airlift-bench-{os.getpid()}:large"
    write_archive(archive, name)
    run(f"docker load --quiet --input {archive}")
    try:
        yield archive
    finally:
        run(f"docker rmi --force {name}")


def write_archive(archive: Path, name: str) -> None:
    """A docker archive, written piece by piece; deflate finds nothing in its layer, because it only looks back 32 KiB."""
    tree = archive.with_suffix(".d")
    tree.mkdir()
    with open(tree / "data", "wb") as target:
        piece = os.urandom(16 * MIB)
        for _piece in range(LARGE // len(piece)):
            target.write(piece)
    run(f"cd {tree} && tar -cf layer.tar data && rm data")
    diff_id = "sha256:" + run(f"sha256sum {tree}/layer.tar").split()[0]
    (tree / "config.json").write_bytes(images.config([], rootfs={"type": "layers", "diff_ids": [diff_id]}))
    digest = run(f"sha256sum {tree}/config.json").split()[0]
    (tree / "config.json").rename(tree / f"{digest}.json")
    (tree / digest).mkdir()
    (tree / "layer.tar").rename(tree / digest / "layer.tar")
    entry = {"Config": f"{digest}.json", "RepoTags": [name], "Layers": [f"{digest}/layer.tar"]}
    (tree / "manifest.json").write_text(json.dumps([entry]))
    run(f"cd {tree} && tar -cf {archive} *")
    shutil.rmtree(tree)


def test_memory(site: Site, large: Path) -> None:
    """Of the largest process: Ansible, the module, or a program that it starts."""
    name = f"airlift-bench-{os.getpid()}:large"
    sources = {
        "an archive": f"docker-archive:{large}",
        "an engine": f"docker-daemon:{name}",
        "a registry": f"docker://{site.registry}/large:1",
    }
    found = {}
    for what, source in sources.items():
        found[what] = peak_memory(site.command("large", [source]))
        if what == "an archive":
            push(site.work / "large", "docker.io/library/app:0", f"{site.registry}/large:1")
    print(
        f"\nmemory of bundle, a layer of {LARGE // MIB} MiB: "
        + ", ".join(f"from {what} {memory} MiB" for what, memory in found.items())
        + f"; Ansible alone {peak_memory(PING)} MiB"
    )
    assert max(found.values()) <= MEMORY


def show(what: str, times: t.Mapping[str, float], hand: t.Mapping[str, Path], ours: Path) -> None:
    ratios = [
        f"of {name}: time x {times['bundle'] / times[name]:.2f}, size x {tree_size(ours) / tree_size(place):.2f}"
        for name, place in hand.items()
    ]
    print(f"\n{what}, {tree_size(ours) / 1e6:.0f} MB: {listed(times)}; bundle is, {'; '.join(ratios)}")


def listed(times: t.Mapping[str, float]) -> str:
    return ", ".join(f"{name} {seconds:.2f} s" for name, seconds in times.items())
