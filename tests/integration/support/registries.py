# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real registries on loopback, with TLS: Distribution, which has no referrers API, and one in memory, which has."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import typing as t
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.airlift.registry.tests.integration.support.lab import NAME, eventually, free_port
from ansible_collections.airlift.registry.tests.unit.plugins.support.certificates import make_certificate

CONFIG = """version: 0.1
storage: {filesystem: {rootdirectory: /var/lib/registry}}
http: {addr: "127.0.0.1:0", tls: {certificate: /certs/ca.crt, key: /certs/tls.key}}
"""

MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True)
class Registry:
    """A registry; C(certs) is a directory with its CA, as skopeo wants it."""

    host: str
    certs: Path

    @property
    def ca(self) -> Path:
        return self.certs / "ca.crt"

    def get(self, path: str) -> bytes:
        context = ssl.create_default_context(cafile=str(self.ca))
        asked = urllib.request.Request(f"https://{self.host}/v2/{path}", headers={"Accept": MANIFESTS})
        with urllib.request.urlopen(asked, context=context, timeout=5) as answer:
            return t.cast(bytes, answer.read())

    def answers(self) -> bool:
        try:
            self.get("")
        except urllib.error.URLError:
            return False
        return True


@contextmanager
def distribution(directory: Path, name: str, lab: str = "") -> t.Iterator[Registry]:
    """CNCF Distribution in a container of its own, which the hosts of I(lab) reach if one is named; the lab's image must be there."""
    found = _prepare(directory, _address(lab)) if lab else _prepare(directory)
    network = ["--network", f"airlift-{lab}", "--ip", found.host.partition(":")[0]] if lab else ["--network", "host"]
    config = directory / "config.yml"
    config.write_text(CONFIG.replace("127.0.0.1:0", found.host))
    container = f"airlift-{NAME}-{name}"
    mounts = ["--volume", f"{config}:/etc/distribution/config.yml:ro", "--volume", f"{directory}/certs:/certs:ro"]
    subprocess.run(["docker", "rm", "--force", "--volumes", container], check=False, capture_output=True)
    subprocess.run(
        ["docker", "run", "--detach", "--name", container, *network, *mounts, "airlift-lab/registry:3.1.2"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        eventually(found.answers, "the registry")
        yield found
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", container], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def with_referrers_api(directory: Path, program: Path) -> t.Iterator[Registry]:
    """A registry in memory that has the referrers API."""
    found = _prepare(directory)
    process = subprocess.Popen(
        [program, found.host, found.ca, directory / "certs/tls.key"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(found.answers, "the registry")
        yield found
    finally:
        process.terminate()
        process.wait()


def _address(lab: str) -> str:
    """An address in the lab's network that no host has; they are numbered from 11 on."""
    command = ["docker", "network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", f"airlift-{lab}"]
    subnet = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return f"{subnet.rpartition('.')[0]}.250"


def _prepare(directory: Path, address: str = "127.0.0.1") -> Registry:
    certs, client = directory / "certs", directory / "client"
    certs.mkdir()
    client.mkdir()
    shutil.copy(make_certificate(certs, address).path, client / "ca.crt")
    return Registry(f"{address}:{free_port()}", client)
