# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of others that tests read and write with, each built from its Go module, once per machine."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from .errors import LabError
from .golang import go_install
from .lock import locked
from .recipes.recipe import Workshop, leftover_prefix, source_files
from .shell import say

# notation is not here: the Go module proxy does not have its module.
TOOLS = {
    "conformance": "github.com/opencontainers/distribution-spec/conformance@v0.0.0-20260831232431-97274622c111",
    "cosign": "github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3",
    "crane": "github.com/google/go-containerregistry/cmd/crane@v0.22.1",
    "oras": "oras.land/oras/cmd/oras@v1.3.6",
    "referrers_registry": ".",  # a program of a few lines around a module, in the directory of that name
}
_LINKER_FLAGS = "-s -w"


def ensure_tools(names: Iterable[str], cache: Path) -> dict[str, Path]:
    """Build what is missing, one after the other (go uses all cores); answer with the path of each tool asked for."""
    wanted = list(names)
    unknown = [name for name in wanted if name not in TOOLS]
    if unknown:
        raise LabError(f"no tool is called {', '.join(unknown)}. There are: {', '.join(TOOLS)}.")
    return {name: _ensure_one(name, cache) for name in wanted}


def tool_key(name: str) -> str:
    """The hash of everything that a tool is made from."""
    digest = hashlib.sha256(f"{TOOLS[name]}\n{_LINKER_FLAGS}\n{os.uname().machine}".encode())
    for path in source_files(_directory(name)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _directory(name: str) -> Path:
    return Path(__file__).parent / name


def _ensure_one(name: str, cache: Path) -> Path:
    # A directory for each, so that it can be put into PATH and the tool has its own name there.
    home = cache / "tools" / f"{name}-{tool_key(name)}"
    with locked(cache / "locks" / f"tool-{name}.lock"):
        if not home.exists():
            _build(name, home, cache)
    return home / name


def _build(name: str, home: Path, cache: Path) -> None:
    started = time.monotonic()
    workshop = _workshop(name, cache)
    # What a killed build left; the lock says that it is dead.
    for leftover in cache.glob(f"{leftover_prefix('build', workshop.name)}*"):
        shutil.rmtree(leftover)
    with workshop.workplace() as workplace:
        say(f"{name}: building {TOOLS[name]}, log {workshop.log}")
        go_install(TOOLS[name], _LINKER_FLAGS, workplace, workshop, _directory(name) if TOOLS[name] == "." else None)
        workplace.chmod(0o755)
        home.parent.mkdir(exist_ok=True)
        os.replace(workplace, home)
    say(f"{name}: made in {time.monotonic() - started:.0f} s")


def _workshop(name: str, cache: Path) -> Workshop:
    log = cache / "logs" / f"tool-{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("", encoding="utf-8")
    return Workshop(f"tool-{name}", _directory(name), cache, log, tool_key(name), {})
