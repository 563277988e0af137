# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in a throwaway container: the tools come and go with it, and this machine need not have them."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from .shell import proxies, run_logged

# The container's first process. Killing the docker client does not end a container, but it ends its standard input.
GUARD = 'exec 3<&0; "$@" </dev/null & work=$!; { cat <&3 >/dev/null; kill -KILL "$work"; } & wait "$work"'


# The container lives in a control group of its own, where `nice` of ours means nothing: who works with the machine goes first.
SHARES = 256


def run_script(image: str, script: Path, *arguments: str, out: Path, log: Path) -> None:
    """Run a shell script that leaves its results in /out, which is the directory `out`. It dies with this process."""
    reading, writing = os.pipe()
    try:
        run_logged(
            "docker", "run", "--rm", "--interactive", "--sig-proxy=false", "--network", "host", f"--cpu-shares={SHARES}",
            *(f"--env={name}" for name in proxies()), *_trust(), f"--volume={out}:/out", f"--volume={script}:/script.sh:ro",
            image, "sh", "-c", GUARD, "guard", "sh", "/script.sh", *arguments,
            log=log, stdin=reading,
        )  # fmt: skip
    finally:
        os.close(reading)
        os.close(writing)


def _trust() -> list[str]:
    """A site may read its TLS traffic: what this machine trusts, the container trusts."""
    authorities = ssl.get_default_verify_paths().cafile
    return [f"--volume={Path(authorities).resolve()}:/etc/ssl/certs/ca-certificates.crt:ro"] if authorities else []
