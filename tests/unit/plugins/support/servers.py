# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small servers that speak the protocols of an engine and of a registry, and misbehave when a test wants it."""

from __future__ import annotations

import json
import re
import socketserver
import ssl
import threading
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from ansible_collections.airlift.registry.tests.unit.plugins.support.certificates import Certificate


class Handler(BaseHTTPRequestHandler):
    """What both servers need."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: t.Any) -> None:
        """Tests are quiet."""

    def address_string(self) -> str:
        return "test"

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_json(self, value: t.Any, status: int = 200) -> None:
        self.answer(status, json.dumps(value).encode(), Content_Type="application/json")


class UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextmanager
def serving(server: socketserver.BaseServer) -> t.Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class EngineState:
    """An engine: its images by ID, each as /images/ID/json answers it, and what goes wrong."""

    images: dict[str, dict[str, t.Any]] = field(default_factory=dict)
    info: dict[str, t.Any] = field(default_factory=dict)
    histories: dict[str, list[dict[str, t.Any]] | None] = field(
        default_factory=dict
    )  # by image ID, the newest step first
    containers: list[dict[str, t.Any]] = field(default_factory=list)
    usage: dict[str, t.Any] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # the queries of the disk usage
    api_version: str = "1.41"
    load_messages: t.Sequence[dict[str, t.Any]] = ()
    load_status: int = 200
    archive: bytes = b""
    cut_archive: bool = False
    loaded: bytes = b""
    dies_of_load: bool = False  # closes the connection in place of an answer
    on_load: t.Callable[[], object] = lambda: None  # what happens before a load is answered
    on_ping: t.Callable[[], object] = lambda: None  # what happens before the engine says that it is alive
    on_usage: t.Callable[[], object] = lambda: None  # what happens when the disk usage is asked for
    on_removal: t.Callable[[], object] = lambda: None  # what happens when an image is removed
    pulls: dict[str, t.Sequence[dict[str, t.Any]]] = field(
        default_factory=dict
    )  # what is said of a pull, by reference; without an error the image is there then
    served: dict[str, dict[str, t.Any]] = field(default_factory=dict)  # images that a registry has, by reference
    pulled: list[tuple[str, str]] = field(default_factory=list)  # what was asked for, with the credentials
    keeps_all: bool = False  # says that it removed, and does not
    in_use: str = ""  # this image is not removed: an engine's reason
    hidden: str = ""  # this image is listed, and gone when it is asked for
    broken: str = ""  # requests for paths that contain this are answered with an error of the engine

    def find(self, name: str) -> dict[str, t.Any] | None:
        for image_id, image in self.images.items():
            names = (image_id, *(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ()))
            if name != self.hidden and short(name) in names:
                return image
        return None

    def pull(self, reference: str) -> t.Sequence[dict[str, t.Any]]:
        """What is said of a pull, and the image of the registry's if that says of no error."""
        said = self.pulls.get(reference, [{"status": "Pulling"}])
        if not any("error" in message for message in said):
            image = self.images.setdefault(self.served[reference]["Id"], self.served[reference])
            image.setdefault("RepoDigests", []).append(reference)
        return said

    def remove(self, name: str) -> None:
        """Take a name away, and with the last one, or by its ID, the image."""
        self.removed.append(name)
        image = self.find(name)
        if image and not self.keeps_all:
            for key in ("RepoTags", "RepoDigests"):
                image[key] = [tag for tag in image.get(key) or () if tag != short(name)]
            if not image["RepoTags"] and not image["RepoDigests"]:
                del self.images[image["Id"]]
        self.on_removal()


def short(name: str) -> str:
    """A name of Docker Hub as engines list it."""
    return name.removeprefix("docker.io/library/")


class EngineHandler(Handler):
    state: EngineState

    def do_GET(self) -> None:
        path = re.sub(r"^/v[0-9.]+", "", unquote(urlsplit(self.path).path))
        query = parse_qs(urlsplit(self.path).query)
        image = re.fullmatch(r"/images/(.+)/(json|history)", path)
        if self.state.broken and self.state.broken in path:
            self.answer_json({"message": "something is broken"}, 500)
        elif path == "/_ping":
            self.state.on_ping()
            self.answer(200, b"OK")
        elif path == "/version":
            self.answer_json({"ApiVersion": self.state.api_version, "Version": "20.10.24"})
        elif path == "/info":
            self.answer_json(
                {"OSType": "linux", "Architecture": "x86_64", "DockerRootDir": "/var/lib/docker", **self.state.info}
            )
        elif path == "/images/json":
            self.answer_json([{"Id": key, "Size": image.get("Size", 0)} for key, image in self.state.images.items()])
        elif path == "/containers/json":
            # Without all=1 an engine leaves out what does not run.
            found = self.state.containers
            self.answer_json([entry for entry in found if query.get("all") == ["1"] or entry["State"] == "running"])
        elif path == "/system/df":
            self.state.asked.append(urlsplit(self.path).query)
            self.state.on_usage()
            self.answer_json(self.state.usage)
        elif path == "/images/get":
            self._archive()
        elif image and image[2] == "history":
            self.answer_json(self.state.histories.get(image[1], []))
        elif image:
            self._image(image[1], "manifests" in query)
        else:
            self.answer_json({"message": f"page not found: {path}"}, 404)

    def do_POST(self) -> None:
        path = re.sub(r"^/v[0-9.]+", "", unquote(urlsplit(self.path).path))
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        tag = re.fullmatch(r"/images/(.+)/tag", path)
        if path == "/images/create":
            self._pull(f"{query['fromImage']}@{query['tag']}")
        elif tag:
            self.state.images[tag[1]].setdefault("RepoTags", []).append(f"{query['repo']}:{query['tag']}")
            self.answer(201)
        else:
            self._load()

    def _pull(self, reference: str) -> None:
        self.state.pulled.append((reference, self.headers.get("X-Registry-Auth", "")))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for message in self.state.pull(reference):
            line = json.dumps(message).encode() + b"\r\n"
            self.wfile.write(b"%x\r\n" % len(line) + line + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def _load(self) -> None:
        self.state.loaded = self._chunks()
        self.state.on_load()
        if self.state.dies_of_load:
            self.close_connection = True
            return
        if self.state.load_status != 200:
            self.answer_json({"message": "unexpected EOF"}, self.state.load_status)
        else:
            self.answer(200, b"".join(json.dumps(message).encode() + b"\r\n" for message in self.state.load_messages))

    def do_DELETE(self) -> None:
        name = re.sub(r"^/v[0-9.]+/images/", "", unquote(urlsplit(self.path).path))
        image = self.state.find(name)
        if image is None:
            self.answer_json({"message": f"No such image: {name}"}, 404)
        elif self.state.broken and self.state.broken in self.path:
            self.answer_json({"message": "something is broken"}, 500)
        elif self.state.in_use and parse_qs(urlsplit(self.path).query).get("force") == ["False"]:
            self.answer_json({"message": self.state.in_use}, 409)
        else:
            self.state.remove(name)
            self.answer_json([{"Untagged": name}])

    def _image(self, name: str, with_manifests: bool) -> None:
        image = self.state.find(name)
        if image is None:
            self.answer_json({"message": f"No such image: {name}"}, 404)
        else:
            self.answer_json({key: value for key, value in image.items() if key != "Manifests" or with_manifests})

    def _archive(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        data = self.state.archive
        if self.state.cut_archive:
            # The engine dies: a chunk is announced and never completed.
            self.wfile.write(b"%x\r\n" % len(data) + data[: len(data) // 2])
            self.close_connection = True
        else:
            self.wfile.write(b"%x\r\n" % len(data) + data + b"\r\n0\r\n\r\n")

    def _chunks(self) -> bytes:
        data = b""
        while size := int(self.rfile.readline() or b"0", 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data


@contextmanager
def engine_server(directory: Path, state: EngineState) -> t.Iterator[str]:
    """Serve I(state) on a socket; its address."""
    path = directory / "docker.sock"
    with serving(UnixServer(str(path), type("BoundEngineHandler", (EngineHandler,), {"state": state}))):
        yield f"unix://{path}"


@dataclass
class RegistryState:
    """A registry: its manifests by C(repository/reference), its blobs by C(repository/digest), and who may ask."""

    manifests: dict[str, str] = field(default_factory=dict)
    blobs: set[str] = field(default_factory=set)
    challenge: str = ""
    authorization: str = ""  # what a request must carry, once there is a challenge
    token: bytes = b""
    redirect: str = ""
    status: int = 0
    seen: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, authorization
    digest_header: bool = True


class RegistryHandler(Handler):
    state: RegistryState

    def do_GET(self) -> None:
        self._note()
        self.answer(200, self.state.token)

    def do_HEAD(self) -> None:
        self._note()
        state, path = self.state, self.path.removeprefix("/v2/")
        repository, kind, reference = path.rsplit("/", 2)
        if state.status:
            self.answer(state.status, Retry_After="0")
        elif state.challenge and self.headers.get("Authorization", "") != state.authorization:
            self.answer(401, WWW_Authenticate=state.challenge)
        elif state.redirect:
            self.answer(307, Location=state.redirect + self.path)
        elif kind == "manifests" and f"{repository}/{reference}" in state.manifests:
            headers = (
                {"Docker_Content_Digest": state.manifests[f"{repository}/{reference}"]} if state.digest_header else {}
            )
            self.answer(200, b"", **headers)
        elif kind == "blobs" and f"{repository}/{reference}" in state.blobs:
            self.answer(200)
        else:
            self.answer(404)

    def _note(self) -> None:
        self.state.seen.append((self.command, self.path, self.headers.get("Authorization", "")))


@contextmanager
def registry_server(state: RegistryState, certificate: Certificate | None) -> t.Iterator[str]:
    """Serve I(state) on loopback, with TLS when there is a certificate; its HOST:PORT."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundRegistryHandler", (RegistryHandler,), {"state": state}))
    server.daemon_threads = True
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.path, certificate.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server):
        yield f"127.0.0.1:{server.server_address[1]}"
