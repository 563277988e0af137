# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making a bundle is interrupted: nothing half-done has its name, and the next run goes on from what is there."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _bundle, _bundle_writer
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError
from ansible_collections.airlift.registry.plugins.module_utils._form import parse_form
from ansible_collections.airlift.registry.plugins.module_utils._medium import find_medium
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.integration.support.lab import eventually
from ansible_collections.airlift.registry.tests.integration.support.play import descendants
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer
from ansible_collections.airlift.registry.tests.unit.plugins.support.certificates import make_certificate
from ansible_collections.airlift.registry.tests.unit.plugins.support.distribution import (
    Distribution,
    DistributionHandler,
    distribution,
)

SMALL = images.layer("small")
LARGE = images.tar([images.Member("data", random.Random(7).randbytes(3 * 1024 * 1024))])
# What the module does, in a process that can be killed: the registry, its certificates, the signing key, the bundle.
MAKE = """
import sys
from ansible_collections.airlift.registry.plugins.module_utils import _bundle_writer
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._skopeo import Skopeo
from ansible_collections.airlift.registry.plugins.module_utils._source import identify_all, parse_list
from ansible_collections.airlift.registry.plugins.module_utils._source_registry import RegistrySource
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
host, certs, key, path = sys.argv[1:]
kinds = {"docker": RegistrySource(Skopeo(run_program, cert_dir=certs, patience=60), 4)}
wanted = parse_list([f"docker://{host}/app:1"], "linux/amd64")
with _bundle_writer.work_directory(path) as work:
    store = BlobStore(work)
    packed = kinds["docker"].fetch(wanted, identify_all(kinds, wanted, 4), store)
    _bundle_writer.write_bundle(store, packed, path, key, run_program)
"""
# A run that is killed before a step of putting its files in place: the number of the step, and what place() wants.
KILLED = """
import os, signal, sys
from pathlib import Path
from ansible_collections.airlift.registry.plugins.module_utils import _placing
from ansible_collections.airlift.registry.tests.integration.test_bundle_interrupted import place
left, path, key, word, size = sys.argv[1:]
left = int(left)
def step(do):
    def counted(file, *further):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        do(file, *further)
    return counted
def put_in_place(*arguments, put=_placing._put_in_place, rename=os.rename, unlink=os.unlink):
    os.rename, os.unlink = step(rename), step(unlink)
    put(*arguments)
    os.rename, os.unlink = rename, unlink
_placing._put_in_place = put_in_place
place(Path(path), Path(key), word, size)
"""


@dataclass(frozen=True)
class Site:
    """A registry with an image of a small and a large layer, and a directory for bundles of it."""

    state: Distribution
    host: str
    certs: Path
    signer: Signer
    directory: Path

    def layer(self, number: int) -> str:
        return str(json.loads(self.state.manifests["1"][1])["layers"][number]["digest"])

    def finished(self, path: Path, number: int) -> bool:
        """Whether a layer is there, under its name."""
        blobs = path.with_name(f".{path.name}.partial") / "blobs/sha256"
        return (blobs / self.layer(number).removeprefix("sha256:")).exists()

    def start(self, path: Path) -> subprocess.Popen[str]:
        arguments = [self.host, str(self.certs), str(self.signer.key), str(path)]
        return subprocess.Popen(
            [sys.executable, "-c", MAKE, *arguments],
            env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def make(self, path: Path) -> str:
        """Make the bundle; what was said if that failed."""
        process = self.start(path)
        said = process.communicate(timeout=120)[1]
        assert bool(said) == bool(process.returncode), said
        return said

    def check(self, path: Path) -> None:
        """The bundle is whole, and nothing is beside it."""
        bundle = _bundle.load_bundle(str(path), str(self.signer.allowed_signers), run_program)
        assert _bundle.verify_blobs(bundle) == []
        assert os.listdir(path.parent) == [path.name]


@pytest.fixture
def site(tmp_path: Path, signer: Signer) -> t.Iterator[Site]:
    (tmp_path / "certs").mkdir()
    certificate = make_certificate(tmp_path / "certs")
    certificate.key.rename(tmp_path / "tls.key")
    (tmp_path / "bundles").mkdir()
    state = Distribution()
    state.add("1", [SMALL, LARGE])
    served = type(certificate)(certificate.path, tmp_path / "tls.key")
    with distribution(state, served) as host:
        yield Site(state, host, tmp_path / "certs", signer, tmp_path / "bundles")


def silent_large(handler: DistributionHandler, _kind: str, reference: str) -> bool:
    is_large = len(handler.state.blobs.get(reference, b"")) > len(LARGE) // 2
    if is_large:
        handler.silent(handler.state.blobs[reference])
    return is_large


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("name", ["b", "b.tar"], ids=["directory", "tar"])
def test_a_killed_run_is_gone_on_with(site: Site, name: str) -> None:
    path = site.directory / name
    site.state.fault = silent_large
    process = site.start(path)
    eventually(lambda: site.finished(path, 0) and site.state.count(site.layer(1)), "the first layer")
    children = descendants(process.pid)
    process.kill()
    process.communicate()
    assert os.listdir(site.directory) == [f".{name}.partial"]
    # What it started does not outlive it for long.
    eventually(lambda: not any(runs(pid) for pid in children), "the end of skopeo", 15)
    site.state.fault = lambda _handler, _kind, _reference: False
    assert site.make(path) == ""
    site.check(path)
    assert [site.state.count(site.layer(number)) for number in (0, 1)] == [1, 2]


def test_a_full_disk_is_named_and_gone_on_with(site: Site) -> None:
    path = site.directory / "b"
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(site.directory)]
    subprocess.run(mount, check=True)
    try:
        said = site.make(path)
        assert "no space left on device" in said
        assert "Make room" in said
        assert site.finished(path, 0)
        assert not path.exists()
        subprocess.run(["mount", "-o", "remount,size=32m", str(site.directory)], check=True)
        assert site.make(path) == ""
        site.check(path)
        assert site.state.count(site.layer(0)) == 1
    finally:
        subprocess.run(["umount", "--lazy", str(site.directory)], check=True)


def test_a_registry_that_goes_away_is_named_and_gone_on_with(site: Site) -> None:
    """In the middle of the image, for good."""
    path = site.directory / "b"

    def gone(handler: DistributionHandler, _kind: str, reference: str) -> bool:
        if reference == site.layer(1):
            handler.cut(handler.state.blobs[reference])
        return reference == site.layer(1)

    site.state.fault = gone
    assert "EOF" in site.make(path)
    assert os.listdir(site.directory) == [".b.partial"]
    site.state.fault = lambda _handler, _kind, _reference: False
    assert site.make(path) == ""
    site.check(path)
    assert site.state.count(site.layer(0)) == 1


def place(path: Path, key: Path, word: str, part_size: str) -> None:
    """Make a bundle of one word."""
    form = parse_form(str(path), part_size, 0, [])
    with _bundle_writer.work_directory(str(path)) as work:
        store = BlobStore(work)
        packed = [bundles.pack(store, f"docker.io/library/{word}:1", [images.layer(word)])]
        _bundle_writer.write_bundle(store, packed, str(path), str(key), run_program, form=form)


def place_and_die(path: Path, key: Path, word: str, part_size: str, step: int) -> int:
    """The same, killed before this step of putting it in place, if there are so many; the exit code."""
    command = [sys.executable, "-c", KILLED, str(step), str(path), str(key), word, part_size]
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    return subprocess.run(command, env=environment, check=False, stdin=subprocess.DEVNULL).returncode


def word_in(path: Path, signer: Signer) -> str:
    """The word of the bundle that is there; empty when nothing is, or parts or their list are missing. Whatever else can be opened is whole."""
    try:
        is_there = find_medium(str(path)) is not None
    except BundleError:
        is_there = False
    if not is_there:
        return ""
    bundle = _bundle.load_bundle(str(path), str(signer.allowed_signers), run_program)
    assert _bundle.verify_blobs(bundle) == []
    (image,) = bundle.images
    return image.name.removeprefix("docker.io/library/").removesuffix(":1")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("9kB", "9kB", id="parts over parts"),
        pytest.param("", "9kB", id="parts over one file"),
        pytest.param("9kB", "", id="one file over parts"),
        pytest.param("", "", id="one file over one file"),
    ],
)
def test_killed_at_each_step_of_putting_files_in_place(tmp_path: Path, signer: Signer, before: str, after: str) -> None:
    """What has the bundle's name is the old one, the new one, or parts of which some are known to be missing: never some of both."""
    path, fresh = tmp_path / "stick/b.tar", tmp_path / "fresh/b.tar"
    for directory in (path.parent, fresh.parent):
        directory.mkdir()
    place(fresh, signer.key, "new", after)
    seen: list[str] = []
    killed = -signal.SIGKILL
    while killed == -signal.SIGKILL:
        place(path, signer.key, "old", before)
        killed = place_and_die(path, signer.key, "new", after, len(seen))
        seen.append(word_in(path, signer))
        place(path, signer.key, "new", after)
        assert content(path.parent) == content(fresh.parent)
    assert killed == 0
    assert seen == sorted(seen, key=["old", "", "new"].index)
    assert (seen[0], seen[-1]) == ("old", "new")
    # One whole file is there all the time, as it was or as it is.
    assert "" not in seen or before


def content(directory: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in directory.iterdir()}
