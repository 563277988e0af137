# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running commands, with errors that a person can act on."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from .errors import LabError

_write_lock = threading.Lock()


def run(*command: str, stdin: str | None = None, timeout: float | None = None) -> str:
    """Run a command and return its standard output."""
    result = attempt(*command, stdin=stdin, timeout=timeout)
    if result.returncode:
        said = (result.stderr or result.stdout).strip()
        raise LabError(f"`{' '.join(command)}` failed with code {result.returncode}: {said[-2000:]}")
    return result.stdout


def attempt(*command: str, stdin: str | None = None, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command and return whatever came of it; a missing program and a timeout are results too."""
    try:
        return subprocess.run(
            command,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, "", f"{command[0]}: no such program")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"no answer within {timeout} s")


def run_logged(
    *command: str, log: Path, environment: Mapping[str, str] | None = None, stdin: int = subprocess.DEVNULL
) -> None:
    """Run a long command with its output in a file; show the file's end when it fails."""
    with log.open("a", encoding="utf-8") as output:
        output.write(f"$ {' '.join(command)}\n")
        output.flush()
        result = subprocess.run(
            # When the lab is killed its lock is free, so what works under the lock must die with it.
            ("setpriv", "--pdeathsig", "KILL", *command),
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            check=False,
        )
    if result.returncode:
        end = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
        raise LabError(f"`{' '.join(command)}` failed with code {result.returncode}. The end of {log}:\n{end}")


def options(option: str, pairs: Mapping[str, str]) -> list[str]:
    """The same option once for each pair: --option NAME=VALUE."""
    return [word for name, value in pairs.items() for word in (option, f"{name}={value}")]


def proxies() -> dict[str, str]:
    """How this machine reaches its package registries, for what runs in containers."""
    return {name: os.environ[name] for name in ("http_proxy", "https_proxy", "no_proxy") if name in os.environ}


def say(message: str) -> None:
    """Tell the person at the terminal; standard output stays free for answers."""
    with _write_lock:
        os.write(2, f"lab: {message}\n".encode())


def install_packages(*packages: str) -> None:
    """Install Debian packages on this machine."""
    if attempt("apt-get", "--version").returncode:
        raise LabError(f"apt-get is missing, so {', '.join(packages)} cannot be installed. Install them by hand.")
    say(f"installing {' '.join(packages)}")
    command = (
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "install",
        "-y",
        "-q",
        "--no-install-recommends",
        *packages,
    )
    if attempt(*command).returncode:
        # A fresh machine has no package lists yet.
        run("apt-get", "update", "-q")
        run(*command)
