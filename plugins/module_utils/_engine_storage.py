# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The local storage of an engine through its Docker API: what it tells of its images and their history, who uses them, and removal.

Engines differ in what they tell. What one of them does not say is None here, never a guess.
"""

from __future__ import annotations

import typing as t
from contextlib import suppress
from datetime import datetime, timezone

from ansible_collections.airlift.registry.plugins.module_utils._engine import Engine
from ansible_collections.airlift.registry.plugins.module_utils._reference import normalize
from ansible_collections.airlift.registry.plugins.module_utils._sdk import docker

_DF_TYPES_API = (1, 42)  # the first API version that can be asked for the disk usage of images alone, which is quick
_CONFLICT = 409  # what engines answer when an image is in use


class EngineStorage(Engine):
    """One engine, with its storage."""

    def local_images(self) -> list[dict[str, t.Any]]:
        """Every image that is listed, as plain data, by ID.

        Each has C(id), C(tags) and C(digests) (full references), C(created) and C(tagged) (RFC 3339, C(tagged) empty when the engine does not
        tell when the image was last named), C(platform), C(engine_size) (bytes, as C(docker images) shows them), C(layers) (diffIDs), C(whole), and
        C(steps) of its history, the first one first.
        """
        with self._errors("list its images"):
            sizes = {_digest(entry["Id"]): int(entry.get("Size") or 0) for entry in self._docker.images()}
        found = (self._describe(image_id, size) for image_id, size in sorted(sizes.items()))
        return [image for image in found if image]

    def containers(self) -> list[dict[str, str]]:
        """All containers, running or not: C(id), C(name), C(state), and the ID of the C(image) of each."""
        with self._errors("list its containers"):
            return [_container(entry) for entry in self._docker.containers(all=True)]

    def disk_usage(self) -> int | None:
        """Bytes that all layers of images take, each counted once, as C(docker system df) has it; None when the engine does not tell.

        podman 4 answers 0, whatever it has. With a containerd store Docker 26 counts unpacked layers only, 28 and 29 the blobs beside them too.
        """
        url = f"{self._docker.base_url}/v{self._docker.api_version}/system/df"
        query = {"type": "image"} if self._api() >= _DF_TYPES_API else {}
        with self._errors("tell its disk usage"):
            answer = self._docker.get(url, params=query, timeout=self._timeout)
            answer.raise_for_status()
            return t.cast("int | None", answer.json().get("LayersSize"))

    def remove(self, name: str) -> str:
        """Take the reference or the ID away, without force; empty, or why the engine refused because the image is in use."""
        with self._errors(f"remove {name}"):
            try:
                self._docker.remove_image(name)
            except docker.errors.NotFound:
                return ""
            except docker.errors.APIError as error:
                if error.status_code != _CONFLICT:
                    raise
                return str(error.explanation)
        return ""

    def _describe(self, image_id: str, size: int) -> dict[str, t.Any] | None:
        known = self.inspect(image_id)
        if known is None:
            return None
        with self._errors(f"inspect {image_id}"), suppress(docker.errors.NotFound):
            answer = self._docker.inspect_image(image_id)
            # There is nothing to tell of layers that are not there, and some engines fail when they are asked.
            steps = self._history(image_id) if known["whole"] else []
            return {
                **known,
                **_details(answer),
                "engine_size": size,
                "steps": [_step(step) for step in reversed(steps)],
            }
        return None

    def _history(self, image_id: str) -> list[dict[str, t.Any]]:
        """The history as the engine has it, the newest step first; nothing when there is none (containerd stores say null)."""
        try:
            return self._docker.history(image_id) or []
        except docker.errors.APIError as error:
            # podman 5.4 fails (a nil pointer) when a step of the history has no date.
            if error.is_server_error():
                return []
            raise


def _details(answer: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {
        "id": _digest(answer["Id"]),
        "digests": sorted(_references(answer.get("RepoDigests"))),
        "created": answer.get("Created") or "",
        "tagged": _time((answer.get("Metadata") or {}).get("LastTagTime")),
        "platform": "/".join(filter(None, (answer.get(key) for key in ("Os", "Architecture", "Variant")))),
    }


def _step(step: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    created = step.get("Created")
    return {
        # A builder need not tell when; engines have 0 then.
        "created": datetime.fromtimestamp(created, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") if created else "",
        "created_by": step.get("CreatedBy") or "",
        "comment": step.get("Comment") or "",
        "size": int(step.get("Size") or 0),
    }


def _container(entry: t.Mapping[str, t.Any]) -> dict[str, str]:
    names = [name.lstrip("/") for name in entry.get("Names") or ()]
    return {
        "id": entry["Id"],
        # A container that is linked to others has their names for it too, with a slash.
        "name": next((name for name in names if "/" not in name), entry["Id"][:12]),
        "state": entry.get("State") or "",
        "image": _digest(entry.get("ImageID") or ""),
    }


def _digest(text: str) -> str:
    """An image ID as Docker writes it; podman leaves the algorithm out in some places."""
    return text if not text or ":" in text else f"sha256:{text}"


def _references(names: t.Iterable[str] | None) -> t.Iterator[str]:
    for name in names or ():
        if not name.startswith("<none>"):
            yield normalize(name)


def _time(text: str | None) -> str:
    """A time that was set; Go writes one that was not as the year 1."""
    return "" if not text or text.startswith("0001-") else text
