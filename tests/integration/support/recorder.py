# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was asked of an engine, request by request, as it went over its socket."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import tarfile
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.airlift.registry.tests.integration.support.lab import Lab, eventually

_DIRECTORY = "/run/recorder"
_PROGRAM = Path(__file__).with_name("recorder_on_host.py")
_HEAD = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.1\r\n(.*?)\r\n\r\n", re.DOTALL)


class Request(t.NamedTuple):
    """One request; C(path) without the version of the API."""

    method: str
    path: str
    body: bytes

    @property
    def is_load(self) -> bool:
        return self.method == "POST" and self.path.startswith("/images/load")

    def blobs(self) -> set[str]:
        """The digests of the blobs in the archive of a load."""
        with tarfile.open(fileobj=io.BytesIO(self.body)) as archive:
            names = archive.getnames()
        return {f"sha256:{name.rpartition('/')[2]}" for name in names if name.startswith("blobs/sha256/")}


@dataclass(frozen=True)
class Recorder:
    """A recorder on a host."""

    lab: Lab
    host: str

    @property
    def address(self) -> str:
        return f"unix://{_DIRECTORY}/docker.sock"

    def take(self) -> list[Request]:
        """The requests since the last time."""
        names = self.lab.run(self.host, f"cd {_DIRECTORY} && ls | grep asked || true").split()
        found = [request for name in names for request in parse(self._read(f"{_DIRECTORY}/{name}"))]
        self.lab.run(self.host, f"cd {_DIRECTORY} && rm -f *.asked")
        return found

    def _read(self, path: str) -> bytes:
        command = ["docker", "exec", f"airlift-{self.lab.name}-{self.host}", "cat", path]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


@contextmanager
def recorder(lab: Lab, host: str, socket: str) -> t.Iterator[Recorder]:
    """A recorder before the engine at I(socket)."""
    lab.run(host, f"rm -rf {_DIRECTORY} && mkdir {_DIRECTORY}")
    lab.copy(host, str(_PROGRAM), f"{_DIRECTORY}/recorder.py")
    start = shlex.join(["python3", f"{_DIRECTORY}/recorder.py", _DIRECTORY, socket])
    lab.run(host, f"{start} >{_DIRECTORY}/log 2>&1 & echo $! >{_DIRECTORY}/pid")
    eventually(lambda: lab.run(host, f"ls {_DIRECTORY}/docker.sock 2>/dev/null", check=False), "the recorder")
    try:
        yield Recorder(lab, host)
    finally:
        lab.run(host, f"kill -KILL $(cat {_DIRECTORY}/pid); rm -rf {_DIRECTORY}", check=False)


def parse(data: bytes) -> t.Iterator[Request]:
    """The requests of one connection (RFC 9112: a body has a length, is in chunks, or is none)."""
    while head := _HEAD.match(data):
        headers = dict(line.lower().split(b": ", 1) for line in head[3].split(b"\r\n"))
        body, data = _body(headers, data[head.end() :])
        yield Request(head[1].decode(), re.sub(r"^/v[0-9.]+", "", head[2].decode()), body)
    assert not data, data[:200]


def _body(headers: t.Mapping[bytes, bytes], data: bytes) -> tuple[bytes, bytes]:
    """A body, and what follows it."""
    if headers.get(b"transfer-encoding") != b"chunked":
        length = int(headers.get(b"content-length", b"0"))
        return data[:length], data[length:]
    parts = []
    while True:
        size, _end, data = data.partition(b"\r\n")
        length = int(size, 16)
        parts.append(data[:length])
        data = data[length + 2 :]
        if length == 0:
            return b"".join(parts), data
