# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's Docker engine: found, else installed and started; stopped only if the lab started it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import LabError
from .lock import locked, locked_or_none
from .shell import attempt, install_packages, run, say

START_SECONDS = 60


@dataclass(frozen=True)
class Started:
    """How the lab started the engine. Process number and start time together name one process for ever."""

    by: str  # "systemd" or "lab"
    pid: int = 0
    born: int = 0


class Engine:
    """The engine that the docker command talks to, and the note that says whether we started it."""

    def __init__(self, state: Path, arguments: tuple[str, ...] = (), host: str = "") -> None:
        self.state = state
        self.arguments = arguments
        self.docker = ("docker", "--host", host) if host else ("docker",)

    @property
    def note(self) -> Path:
        return self.state / "engine.json"

    @property
    def lock(self) -> Path:
        return self.state / "engine.lock"

    @property
    def use_lock(self) -> Path:
        return self.state / "engine-use.lock"

    @property
    def log(self) -> Path:
        return self.state / "dockerd.log"

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Make sure that the engine answers, and that no other run of the lab stops it meanwhile."""
        with locked(self.use_lock, shared=True):
            self.ensure()
            yield

    def answers(self) -> bool:
        return attempt(*self.docker, "version", "--format", "{{.Server.Version}}", timeout=20).returncode == 0

    def ensure(self) -> str:
        """Install and start what is missing; answer with the engine's version."""
        if not self.answers():
            with locked(self.lock):
                if not self.answers():
                    self._install_and_start()
        return run(*self.docker, "version", "--format", "{{.Server.Version}}").strip()

    def stop_if_ours(self) -> bool:
        """Stop the engine if the lab started it and nobody uses it; tell whether it was stopped."""
        with locked(self.lock), locked_or_none(self.use_lock) as unused:
            if not unused:
                return False
            stopped = self._stop_ours()
            for path in (self.use_lock, self.lock):
                path.unlink(missing_ok=True)
            return stopped

    def _stop_ours(self) -> bool:
        started = self._read_note()
        if started is None or self._has_running_containers():
            return False
        self._stop(started)
        for path in (self.note, self.log):
            path.unlink(missing_ok=True)
        return True

    def _install_and_start(self) -> None:
        if os.geteuid():
            raise LabError(
                "no Docker engine answers, and starting one needs root. Run the lab as root, or start Docker."
            )
        if shutil.which("dockerd") is None:
            install_packages("docker.io")
            if not _has_systemd():
                # The package may have started it by its init script, which nobody would stop again.
                attempt("service", "docker", "stop")
        if shutil.which("docker") is None:
            # From trixie on the command line client is a package of its own.
            install_packages("docker-cli")
        say("starting the Docker engine")
        started = self._start_by_systemd() if _has_systemd() else self._start_directly()
        self.note.write_text(json.dumps(asdict(started)), encoding="utf-8")
        self._wait(started)

    def _start_by_systemd(self) -> Started:
        run("systemctl", "start", "docker.service")
        return Started("systemd")

    def _start_directly(self) -> Started:
        self.state.mkdir(parents=True, exist_ok=True)
        with self.log.open("w", encoding="utf-8") as log:
            # A session of its own: the engine outlives this run, and Ctrl-C is not meant for it.
            daemon = subprocess.Popen(
                ["dockerd", *self.arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
            )  # fmt: skip
        return Started("lab", daemon.pid, _born(daemon.pid))

    def _wait(self, started: Started) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if time.monotonic() > deadline or (started.by == "lab" and not _is_alive(started)):
                raise LabError(f"the Docker engine does not start. {self._why(started)}")
            time.sleep(0.3)

    def _why(self, started: Started) -> str:
        if started.by == "systemd":
            return "See `journalctl -u docker.service`."
        end = "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        return f"The end of {self.log}:\n{end}"

    def _read_note(self) -> Started | None:
        try:
            return Started(**json.loads(self.note.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def _has_running_containers(self) -> bool:
        return bool(attempt(*self.docker, "ps", "--quiet").stdout.strip())

    def _stop(self, started: Started) -> None:
        say("stopping the Docker engine that the lab started")
        if started.by == "systemd":
            run("systemctl", "stop", "docker.socket", "docker.service")
        elif _is_alive(started):
            os.kill(started.pid, signal.SIGTERM)
            _wait_until_gone(started)


def _has_systemd() -> bool:
    return Path("/run/systemd/system").is_dir()


def _born(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 when it is gone or only waits to be reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] == "Z" else int(fields[19])


def _is_alive(started: Started) -> bool:
    return _born(started.pid) == started.born != 0


def _wait_until_gone(started: Started) -> None:
    deadline = time.monotonic() + START_SECONDS
    while _is_alive(started):
        if time.monotonic() > deadline:
            raise LabError(
                f"dockerd (process {started.pid}) does not stop. Look at it, then run `lab down --all` again."
            )
        time.sleep(0.1)
