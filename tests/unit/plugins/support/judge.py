# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads one hostile file after the other, each in a process of its own, and says what came of it and what it cost.

Run as a program: one JSON object per line in, one per line out. Its processes are forked before anything was read, so that their
memory is that of a module which reads this one file.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._bundle import load_bundle, verify_blobs
from ansible_collections.airlift.registry.plugins.module_utils._docker_archive import read_archive
from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError
from ansible_collections.airlift.registry.plugins.module_utils._lock import read_lock
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program

SECONDS = 10  # of one core


@dataclass(frozen=True)
class Verdict:
    """I(error) is the class of the error, or empty. Memory in MiB, time in seconds of a core."""

    error: str
    problem: str
    next_step: str
    memory: float
    seconds: float


class Judge:
    """The program, from outside."""

    def __init__(self) -> None:
        # The collections' directory is on the path of whoever starts this.
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def judge(self, kind: str, path: str, other: str) -> Verdict:
        """Read I(path) as a C(bundle) (I(other): the allowed signers), a C(lock), or an C(archive) (I(other): where to store its layers)."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([kind, path, other]) + "\n")
        self._process.stdin.flush()
        return Verdict(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.communicate()


def bundle(path: str, signers: str) -> None:
    problems = verify_blobs(load_bundle(path, signers, run_program))
    if problems:
        raise problems[0]


def lock(path: str, _other: str) -> None:
    read_lock(path)


def archive(path: str, store: str) -> None:
    with open(path, "rb") as stream:
        read_archive(stream, BlobStore(store), f"docker archive {path}")


KINDS = {"bundle": bundle, "lock": lock, "archive": archive}


def outcome(kind: str, path: str, other: str) -> dict[str, t.Any]:
    try:
        KINDS[kind](path, other)
    except AirliftError as error:
        return {"error": type(error).__name__, "problem": error.problem, "next_step": error.next_step}
    except BaseException as error:
        return {"error": type(error).__name__, "problem": repr(error)[:2000], "next_step": ""}
    return {"error": "", "problem": "", "next_step": ""}


def child(line: str) -> t.NoReturn:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    started = time.process_time()
    found = outcome(*json.loads(line))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**found, "memory": memory, "seconds": time.process_time() - started}), flush=True)
    os._exit(0)


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            child(line)
        _pid, status = os.waitpid(pid, 0)
        if status:
            died = {"error": "killed", "problem": f"status {status}", "next_step": "", "memory": 0, "seconds": SECONDS}
            print(json.dumps(died), flush=True)


if __name__ == "__main__":
    main()
