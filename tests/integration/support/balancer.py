# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HAProxy before a real registry on loopback, both as containers of the machine's engine, configured by the roles' own tasks and templates."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import typing as t
import urllib.request
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.airlift.registry.tests.integration.support.lab import NAME, ROOT, eventually, free_port

IMAGES = {
    "haproxy": "airlift-lab/haproxy:3.0",
    "registry": "airlift-lab/registry:3.1.2",
    "registry-2.8": "airlift-lab/registry:2.8.3",
}


@dataclass(frozen=True)
class Answer:
    """What came back; the names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def location(self) -> str:
        """Path and query of where to go on."""
        return "/" + self.headers["location"].split("/", 3)[3]


@dataclass(frozen=True)
class Kept:
    """A client of one connection. It connects anew when an answer has said that the connection ends, and only then."""

    connection: http.client.HTTPSConnection

    def ask(self, method: str, path: str, user: str = "", body: bytes = b"", **headers: str) -> Answer:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if user:
            given["Authorization"] = basic(user)
        if method in ("POST", "PUT", "PATCH"):
            given["Content-Length"] = str(len(body))
        self.connection.putrequest(method, path)
        for name, value in given.items():
            self.connection.putheader(name, value)
        self.connection.endheaders(body)
        response = self.connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


@dataclass
class Balancer:
    """A balancer, what its role is told, and the registry behind it."""

    directory: Path
    variables: dict[str, t.Any]
    port: int
    health_port: int
    container: str

    @property
    def certificates(self) -> Path:
        return self.directory / "certificates"

    def write(self, **variables: t.Any) -> str:
        """Write the configuration as the role does, with other variables than before; what Ansible said. Certificates that are missing are made."""
        self.variables.update(variables)
        (self.directory / "vars.json").write_text(json.dumps(self.variables))
        tasks = [_role("load_balancer", "prepare")]
        if not (self.certificates / "server.crt").exists():
            tasks.insert(0, _role("certificates", "main"))
        if not (self.directory / "registry/config.yml").exists():
            tasks.append(_registry(self.directory))
        (self.directory / "play.yml").write_text(json.dumps([_play(tasks)]))
        said = subprocess.run(
            ["ansible-playbook", "--inventory", "localhost,", "--extra-vars", f"@{self.directory}/vars.json", self.directory / "play.yml"],
            env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if said.returncode:
            raise AssertionError(f"{said.stdout}\n{said.stderr}")
        return said.stdout

    def apply(self, **variables: t.Any) -> None:
        """The same, and have HAProxy load it."""
        self.write(**variables)
        subprocess.run(["docker", "kill", "--signal", "USR2", self.container], check=True, stdout=subprocess.DEVNULL)
        self.wait()

    def wait(self) -> None:
        """Until HAProxy runs the configuration that is written, and the registry answers it."""
        wanted = (self.directory / "balancer/revision").read_text()
        eventually(lambda: self.health("revision") == wanted, "the new revision")
        paths = [f"registries/{node['name']}" for node in self.variables["load_balancer_nodes"]]
        eventually(lambda: {self.health(path) for path in paths} == {"up"}, "the registries")

    def health(self, path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/{path}", timeout=5) as answer:
                return t.cast(bytes, answer.read()).decode()
        except OSError:
            return ""

    def command(self, line: str) -> str:
        """What HAProxy answers on its socket."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.directory / "run/admin.sock"))
            connection.sendall(f"{line}\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificates / "server-ca.crt"))

    def connect(self) -> ssl.SSLSocket:
        """A connection for bytes as they are."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return self.tls().wrap_socket(plain, server_hostname="localhost")

    def keep(self) -> Kept:
        """A connection that is kept from one request to the next."""
        return Kept(http.client.HTTPSConnection("localhost", self.port, timeout=10, context=self.tls()))

    def ask(self, method: str, path: str, user: str = "", body: bytes = b"", **headers: str) -> Answer:
        """One request on a connection of its own, by a user or by nobody; an underscore in a header's name is a dash."""
        kept = self.keep()
        try:
            return kept.ask(method, path, user, body, **headers)
        finally:
            kept.connection.close()


def basic(user: str, password: str = "") -> str:
    return f"Basic {base64.b64encode(f'{user}:{password or password_of(user)}'.encode()).decode()}"


def password_of(user: str) -> str:
    return f"{user[::-1]}-the-password"


def _play(tasks: t.Sequence[dict[str, t.Any]]) -> dict[str, t.Any]:
    """For this machine alone."""
    return {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": True,
        "gather_subset": ["!all", "!min", "network"],
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        # The template of the registry's configuration is rendered without its role.
        "vars_files": [str(ROOT / "roles/registry" / name / "main.yml") for name in ("defaults", "vars")],
        "tasks": tasks,
    }


def _role(name: str, entry_point: str) -> dict[str, t.Any]:
    return {"ansible.builtin.import_role": {"name": f"airlift.registry.{name}", "tasks_from": entry_point}}


def _registry(directory: Path) -> dict[str, t.Any]:
    """The registry's configuration, of its role's template."""
    template = ROOT / "roles/registry/templates/config.yml.j2"
    return {
        "ansible.builtin.template": {"src": str(template), "dest": f"{directory}/registry/config.yml", "mode": "0600"}
    }


@contextmanager
def balanced(directory: Path, name: str, count: int = 1, /, **variables: t.Any) -> t.Iterator[Balancer]:
    """A balancer with registries behind it while all of them are up. I(variables) go to the roles.

    Several registries have an address each, and those with a filesystem share a directory.
    """
    port, health_port, registry_port = free_port(), free_port(), free_port()
    nodes = [
        {"name": f"node{number}" if number else "localhost", "address": f"127.0.0.{number + 1}"}
        for number in range(count)
    ]
    found = Balancer(
        directory,
        _variables(directory, port, health_port, registry_port, nodes),
        port,
        health_port,
        f"airlift-{NAME}-{name}",
    )
    (directory / "registry").mkdir()
    (directory / "run").mkdir(exist_ok=True)
    found.write(**variables)
    place = directory / "balancer"
    with contextlib.ExitStack() as opened:
        for node in nodes:
            opened.enter_context(_registry_of(found, **node))
        opened.enter_context(
            running(
                found.container, IMAGES["haproxy"], [f"{place}:{place}:ro", f"{directory}/run:/run/airlift-load-balancer"],
                ["--user", "0:0", "--read-only", "--entrypoint", "haproxy"], ["-W", "-db", "-f", f"{place}/haproxy.cfg"],
            )
        )  # fmt: skip
        found.wait()
        yield found


def _registry_of(balancer: Balancer, name: str, address: str) -> AbstractContextManager[None]:
    """The registry of a node, which runs with the configuration of the first one at its own address."""
    place = balancer.directory / f"registry-{name}"
    place.mkdir()
    text = (balancer.directory / "registry/config.yml").read_text()
    (place / "config.yml").write_text(text.replace("addr: 127.0.0.1:", f"addr: {address}:"))
    files = {f"node-{name}.crt": "node.crt", f"node-{name}.key": "node.key", "ca.crt": "client-ca.crt"}
    for source, target in files.items():
        shutil.copy(balancer.certificates / source, place / target)
    if balancer.variables["registry_token"]:
        shutil.copy(balancer.variables["registry_token"]["certificates"], place / "token.crt")
    options = ["--entrypoint", "registry"]
    if "ca" in balancer.variables["registry_storage"]:
        shutil.copy(balancer.variables["registry_storage"]["ca"], place / "storage-ca.crt")
        options += ["--env", "SSL_CERT_FILE=/etc/distribution/storage-ca.crt"]
    volumes = [f"{place}:/etc/distribution:ro", f"{balancer.directory}/data:/var/lib/registry"]
    image = IMAGES["registry-2.8" if balancer.variables.get("registry_version") == "2.8" else "registry"]
    return running(f"{balancer.container}-{name}", image, volumes, options, ["serve", "/etc/distribution/config.yml"])


@contextmanager
def running(
    container: str, image: str, volumes: t.Sequence[str], options: t.Sequence[str] = (), command: t.Sequence[str] = ()
) -> t.Iterator[None]:
    """A container of the machine's engine, in its network, while it is up."""
    mounts = [word for volume in volumes for word in ("--volume", volume)]
    subprocess.run(["docker", "rm", "--force", "--volumes", container], check=False, capture_output=True)
    try:
        subprocess.run(
            ["docker", "run", "--detach", "--name", container, "--network", "host", *mounts, *options, image, *command],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        yield
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", container], check=False, capture_output=True)


def _variables(
    directory: Path, port: int, health_port: int, registry_port: int, nodes: t.Sequence[dict[str, str]]
) -> dict[str, t.Any]:
    certificates = directory / "certificates"
    image = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{.Id}}", IMAGES["haproxy"]], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()  # fmt: skip
    return {
        "certificates_path": str(certificates),
        "certificates_passphrase": "a passphrase of the authority",
        "certificates_fqdn": "localhost",
        "certificates_addresses": ["127.0.0.1"],
        "certificates_nodes": nodes,
        "_load_balancer_path": str(directory / "balancer"),
        "load_balancer_image_id": image,
        "load_balancer_fqdn": "localhost",
        "load_balancer_port": port,
        "load_balancer_health_port": health_port,
        "load_balancer_certificate": str(certificates / "server.crt"),
        "load_balancer_key": str(certificates / "server.key"),
        "load_balancer_nodes": nodes,
        "registry_port": registry_port,
        "registry_debug_port": free_port(),
        "registry_address": "127.0.0.1",
        "registry_nodes": [node["name"] for node in nodes],
        "registry_storage": {"type": "filesystem", "path": "/var/lib/registry"},
        "registry_http_secret": "a secret of the registries",
        "registry_log_level": "info",
        "registry_drain_seconds": 1,
        "registry_token": {},
        "load_balancer_registry_port": registry_port,
        "load_balancer_registry_ca": str(certificates / "ca.crt"),
        "load_balancer_registry_certificate": str(certificates / "load-balancer.crt"),
        "load_balancer_registry_key": str(certificates / "load-balancer.key"),
        "load_balancer_salt": "a salt of sixteen letters or more",
        "load_balancer_virtual_ip": "127.0.0.2",
        "load_balancer_more_virtual_ips": ["::1"],
        "load_balancer_interface": "lo",
    }
