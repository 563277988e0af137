# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real engines for all integration tests: a lab, keys, Ansible, and bundles that several tests need."""

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support import engines as every_engine
from ansible_collections.airlift.registry.tests.integration.support import lab as labs
from ansible_collections.airlift.registry.tests.integration.support.engines import Engines
from ansible_collections.airlift.registry.tests.integration.support.faults import trusting
from ansible_collections.airlift.registry.tests.integration.support.lab import HOSTS, Lab
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

TINY, BIG = "docker.io/library/tiny:v1", "docker.io/library/big:v1"
BIG_LAYER = images.tar([images.Member("data", os.urandom(24 * 1024 * 1024))])  # random: gzip cannot make it smaller


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("integration")


@pytest.fixture(scope="session")
def lab(directory: Path) -> t.Iterator[Lab]:
    """Two hosts. With AIRLIFT_KEEP_LAB in the environment they stay for the next run."""
    labs.lab("image", "host", "registry", "app1", "app2")
    yield from brought_up(labs.NAME, labs.SPEC, directory)


@pytest.fixture(scope="session")
def engines(directory: Path) -> t.Iterator[Engines]:
    """A host for each engine, kept with AIRLIFT_KEEP_LAB too."""
    for lab in brought_up(every_engine.LAB, every_engine.SPEC, directory):
        yield Engines(lab)


def brought_up(name: str, spec: t.Mapping[str, t.Any], directory: Path) -> t.Iterator[Lab]:
    """A lab while it is up."""
    path = directory / f"{name}.json"
    path.write_text(json.dumps(spec))
    try:
        yield Lab(Path(labs.lab("up", name, "--spec", str(path)).strip().splitlines()[-1]), name)
    finally:
        if "AIRLIFT_KEEP_LAB" not in os.environ:
            labs.lab("down", name)


@pytest.fixture(scope="session")
def tools() -> dict[str, Path]:
    """Where the programs of others are, by name."""
    lines = labs.lab("tool", "crane", "oras", "referrers_registry", "cosign").splitlines()
    return {name: Path(path) for name, path in (line.split(" ", 1) for line in lines)}


@pytest.fixture(scope="session")
def ansible(lab: Lab, directory: Path) -> Ansible:
    (directory / "plays").mkdir()
    return Ansible(lab.inventory, directory / "plays")


@pytest.fixture(scope="session")
def signer(directory: Path) -> Signer:
    return bundles.make_signer(directory, "release")


@pytest.fixture(scope="session")
def stranger(directory: Path) -> Signer:
    return bundles.make_signer(directory, "stranger")


@pytest.fixture(scope="session")
def small(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[list[str]]:
    """Two small images of two layers each in the machine's engine, by name; the lower layer is shared."""
    context = tmp_path_factory.mktemp("small")
    (context / "base").write_text("base")
    names = [f"{labs.NAME}:small{number}" for number in (1, 2)]
    try:
        for name in names:
            (context / "top").write_text(name)
            (context / "Dockerfile").write_text("FROM scratch\nCOPY base /\nCOPY top /\n")
            subprocess.run(
                ["docker", "build", "--quiet", "--tag", name, context], check=True, stdout=subprocess.DEVNULL
            )
        yield names
    finally:
        subprocess.run(["docker", "rmi", "--force", *names], check=False, stdout=subprocess.DEVNULL)


def from_daemon(source: str, name: str) -> dict[str, str]:
    return {"source": f"docker-daemon:{source}", "name": name}


@pytest.fixture(scope="session")
def v1(ansible: Ansible, directory: Path, signer: Signer) -> Result:
    """What the bundle module says of a bundle of the application's first version, a directory."""
    wanted = [from_daemon("airlift-lab/app:v1", "app:v1"), from_daemon("airlift-lab/app:v1", "app:current")]
    return ansible.local("bundle", {"path": str(directory / "v1"), "images": wanted, "signing_key": str(signer.key)})


@pytest.fixture(scope="session")
def v2(ansible: Ansible, directory: Path, signer: Signer) -> Result:
    """The same of its second version, a tar."""
    wanted = [from_daemon("airlift-lab/app:v2", "app:v2"), from_daemon("airlift-lab/app:v2", "app:current")]
    return ansible.local(
        "bundle", {"path": str(directory / "v2.tar"), "images": wanted, "signing_key": str(signer.key)}
    )


@pytest.fixture(scope="session")
def tiny(directory: Path, signer: Signer) -> Path:
    """A bundle that takes no time."""
    bundles.make_bundle(directory / "tiny", signer, {TINY: [images.layer("base"), images.layer("top")]})
    return directory / "tiny"


@pytest.fixture(scope="session")
def tiny_arguments(signer: Signer, tiny: Path) -> dict[str, t.Any]:
    """Options of image_preload for that bundle."""
    return trusting(signer, tiny)


@pytest.fixture(scope="session")
def big(directory: Path, signer: Signer) -> Path:
    """A bundle that takes a moment: 24 MiB in one layer, below a small one."""
    bundles.make_bundle(directory / "big", signer, {BIG: [BIG_LAYER, images.layer("top")]})
    return directory / "big"


@pytest.fixture(scope="session")
def big_arguments(signer: Signer, big: Path) -> dict[str, t.Any]:
    """The same for this one."""
    return trusting(signer, big)


@pytest.fixture
def host(lab: Lab) -> str:
    """A host with nothing on it, whose engine answers."""
    lab.wait_for_engine(HOSTS[0])
    lab.clean(HOSTS[0])
    return HOSTS[0]
