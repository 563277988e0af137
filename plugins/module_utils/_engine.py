# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""A container engine through its Docker API: what it has, load, save, tag, and the proof that an image is whole.

Only the API is used; nothing under the engine's data root is read or written.
"""

from __future__ import annotations

import json
import socket
import typing as t
from contextlib import contextmanager, suppress

from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, EngineError, HostError
from ansible_collections.airlift.registry.plugins.module_utils._oci import split_platform
from ansible_collections.airlift.registry.plugins.module_utils._platform import of_machine
from ansible_collections.airlift.registry.plugins.module_utils._reference import normalize
from ansible_collections.airlift.registry.plugins.module_utils._sdk import SDK_ERROR, docker, urllib3
from ansible_collections.airlift.registry.plugins.module_utils._watch import watched

DEFAULT_HOST = "unix:///var/run/docker.sock"
CONTAINERD_STORE = "io.containerd.snapshotter.v1"
_CONTAINERD_SOCKET, _CONTAINERD_ROOT = "/run/containerd/containerd.sock", "/var/lib/containerd"  # as containerd comes
# The first API version that says whether an image of a containerd store is whole, and that can be told for which platform to unpack one.
_MANIFESTS_API = (1, 48)
_LOAD_TIMEOUT = 900  # seconds of silence that unpacking one large layer on a slow disk may take
_WATCH_PAUSE = 10  # seconds between two looks at an engine that loads


class Engine:
    """One engine. I(timeout) is in seconds, for each answer."""

    def __init__(self, host: str, timeout: int) -> None:
        self.host = host
        self._timeout = timeout
        self._docker = self._connect(timeout)
        with self._errors("say what it is"):
            self._info: dict[str, t.Any] = self._docker.info()

    def description(self) -> dict[str, t.Any]:
        """What the plan needs to know of the engine."""
        status = dict(entry[:2] for entry in self._info.get("DriverStatus") or ())
        store = "containerd" if status.get("driver-type") == CONTAINERD_STORE else "graph"
        return {
            "host": self.host,
            "product": "podman" if "BuildahVersion" in self._info else "docker",
            "version": self._info.get("ServerVersion", ""),
            "api_version": self._docker.api_version,
            "driver": self._info.get("Driver", ""),
            "store": store,
            "proves_content": store == "containerd" and self._api() >= _MANIFESTS_API,
            "platform": of_machine(self._info.get("OSType", ""), self._info.get("Architecture", "")),
            "storage_path": self._storage_path(store),
        }

    def _storage_path(self, store: str) -> str:
        """Where the store keeps its bytes: a containerd of the host's own has a directory of its own."""
        address = (self._info.get("Containerd") or {}).get("Address", _CONTAINERD_SOCKET)
        is_hosts_own = store == "containerd" and address == _CONTAINERD_SOCKET
        return _CONTAINERD_ROOT if is_hosts_own else self._info.get("DockerRootDir", "")

    def images(self) -> list[dict[str, t.Any]]:
        """Every image, as I(inspect) tells of it."""
        with self._errors("list its images"):
            ids = sorted({entry["Id"] for entry in self._docker.images()})
        found = (self.inspect(image_id) for image_id in ids)
        return [image for image in found if image]

    def inspect(self, name: str) -> dict[str, t.Any] | None:
        """One image: C(id), C(tags) and C(digests) (full references), C(layers) (diffIDs), whether it is C(whole); nothing when there is none.

        C(engine_size) are bytes, as C(docker images) shows them. C(manifests) are the digests of the manifests, one for each platform, that a
        containerd store has whole and unpacked under this ID, as far as it tells.
        """
        with self._errors(f"inspect {name}"):
            try:
                answer = self._docker.inspect_image(name)
            except docker.errors.NotFound:
                return None
        layers = (answer.get("RootFS") or {}).get("Layers") or []
        is_proven = bool(layers) and self.description()["proves_content"]
        manifests = self._unpacked(name) if is_proven else []
        return {
            "id": answer["Id"],
            "tags": sorted(normalize(tag) for tag in answer.get("RepoTags") or () if not tag.startswith("<none>")),
            "digests": sorted(
                normalize(name) for name in answer.get("RepoDigests") or () if not name.startswith("<none>")
            ),
            "layers": layers,
            "engine_size": answer.get("Size") or 0,
            "manifests": manifests,
            # Graph drivers list no other images.
            "whole": bool(manifests) if is_proven else bool(layers),
        }

    def load(self, archive: t.Iterable[bytes], platform: str = "") -> list[str]:
        """Stream an archive into the engine; what it said. Raises EngineError when it said that it failed.

        A containerd store unpacks what its machine runs, and other images only when it is told their I(platform).
        Success proves nothing yet: several engines answer 200 to an archive that they could not unpack.
        """
        return watched(lambda: self._load(archive, platform), self._check_alive, min(self._timeout, _WATCH_PAUSE))

    def _load(self, archive: t.Iterable[bytes], platform: str) -> list[str]:
        said: list[str] = []
        client = self._connect(_LOAD_TIMEOUT)
        # The SDK's load_image has no such option. Its client is a session of requests, which adds these to each of its requests.
        client.params = {"platform": json.dumps(split_platform(platform))} if platform else {}
        with self._errors("load the images", _LOAD_TIMEOUT):
            for message in client.load_image(archive, quiet=False):
                text = str(message.get("error") or message.get("stream") or "").strip()
                if "error" in message or "Error unpacking" in text:
                    raise EngineError(
                        f"The engine at {self.host} could not load the images: {text}", _engine_log(self.host)
                    )
                if text:
                    said.append(text)
        return said

    def _check_alive(self) -> None:
        """An engine that works on a load may be silent for long, but it answers others meanwhile."""
        with self._errors("answer while it loaded the images"):
            self._docker.ping()

    @contextmanager
    def save(self, names: t.Sequence[str]) -> t.Iterator[t.BinaryIO]:
        """The stream of a docker archive with the named images."""
        url = f"{self._docker.base_url}/v{self._docker.api_version}/images/get"
        query = {"params": {"names": list(names)}, "stream": True, "timeout": _LOAD_TIMEOUT}
        with self._errors(f"save {', '.join(names)}", _LOAD_TIMEOUT), self._docker.get(url, **query) as answer:
            answer.raise_for_status()
            yield answer.raw

    def tag(self, image_id: str, name: str) -> None:
        """Let the reference I(name) mean the image I(image_id)."""
        repository, _colon, tag = name.rpartition(":")
        with self._errors(f"tag {image_id} as {name}"):
            self._docker.tag(image_id, repository, tag)

    def untag(self, name: str) -> None:
        """Take the reference I(name) away, and with it the image if nothing else names it."""
        with self._errors(f"remove {name}"), suppress(docker.errors.NotFound):
            self._docker.remove_image(name)

    def _connect(self, timeout: int) -> t.Any:
        if docker is None:
            raise HostError(
                f"The Docker SDK for Python is missing from the host's Python ({SDK_ERROR})",
                "Install the package python3-docker, or set ansible_python_interpreter to a Python that has it, "
                "or bring its wheels with the playbook airlift.registry.prepare.",
            )
        with self._errors("answer", step=_start(self.host)):
            return docker.APIClient(base_url=self.host, version="auto", timeout=timeout)

    def _unpacked(self, name: str) -> list[str]:
        """The digests of the image's manifests of which the containerd store has all content, and has unpacked it."""
        url = f"{self._docker.base_url}/v{self._docker.api_version}/images/{name}/json"
        with self._errors(f"inspect the manifests of {name}"):
            answer = self._docker.get(url, params={"manifests": "1"}, timeout=self._timeout)
            answer.raise_for_status()
        manifests = answer.json().get("Manifests") or []
        return [manifest["ID"] for manifest in manifests if _is_available(manifest)]

    def _api(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self._docker.api_version.split("."))

    @contextmanager
    def _errors(self, task: str, timeout: int = 0, step: str = "") -> t.Iterator[None]:
        """Say of any failure that the engine did not do I(task). I(step) is what helps when the connection failed, if not to look into its log."""
        try:
            yield
        except AirliftError:
            raise
        except docker.errors.APIError as error:
            raise EngineError(
                f"The engine at {self.host} did not {task}: {error.explanation or error}", _engine_log(self.host)
            ) from error
        except (docker.errors.DockerException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            cause = _root_cause(error)
            if isinstance(cause, socket.timeout):
                problem = f"The engine at {self.host} did not {task} within {timeout or self._timeout} s"
                raise EngineError(problem, _restart(self.host)) from error
            problem = f"The engine at {self.host} did not {task}: {cause or type(cause).__name__}"
            raise EngineError(problem, step or _engine_log(self.host)) from error


def _is_available(manifest: dict[str, t.Any]) -> bool:
    image = manifest.get("ImageData") or {}
    unpacked = (image.get("Size") or {}).get("Unpacked", 0)
    return manifest.get("Kind") == "image" and bool(manifest.get("Available")) and unpacked > 0


def _root_cause(error: BaseException) -> BaseException:
    while error.__cause__ or error.__context__:
        error = t.cast(BaseException, error.__cause__ or error.__context__)
    return error


def _start(host: str) -> str:
    return f"Start the engine (systemctl start {_unit(host)}), or name another with docker_host if it does not listen at {host}."


def _restart(host: str) -> str:
    return (
        f"It hangs or has too much to do. Look at the host of {host}, restart the engine if need be "
        f"(systemctl restart {_unit(host)}), and run this again."
    )


def _engine_log(host: str) -> str:
    return f"Look into the engine's log (journalctl -u {_unit(host)}) on the host of {host}, mend what it says and run this again."


def _unit(host: str) -> str:
    """The service, by the engine's address: podman's sockets have its name."""
    return "podman" if "podman" in host else "docker"
