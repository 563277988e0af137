# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""An engine that pulls images by their digest, from a registry that was given; nothing of that has a name of its own until it is proven.

The credentials are those with which the user of the task logged in (C(docker login)); the SDK hands them to the engine for this registry only.
"""

from __future__ import annotations

import socket
import time
import typing as t
from urllib.parse import urlsplit

from ansible_collections.airlift.registry.plugins.module_utils._engine import Engine
from ansible_collections.airlift.registry.plugins.module_utils._errors import EngineError, RegistryError
from ansible_collections.airlift.registry.plugins.module_utils._plan import temporary_name
from ansible_collections.airlift.registry.plugins.module_utils._proof import prove
from ansible_collections.airlift.registry.plugins.module_utils._pull import Tally, is_missing, what_helps
from ansible_collections.airlift.registry.plugins.module_utils._watch import watched

_HTTPS = 443
_KNOCK = 3  # seconds to reach the registry's port
_LOOK = 1.0  # seconds between two looks at a pull
_NOT_PROVEN = "Look into the engine's log on the host (journalctl -u docker)."
_UNPACK_TIMEOUT = 900  # seconds of silence that unpacking one large layer on a slow disk may take


class PullingEngine(Engine):
    """One engine that pulls. Its I(timeout) is also how long, in seconds, a pull may go on without a new byte from the registry."""

    def pull(self, reference: str, tally: Tally) -> None:
        """Pull C(REPOSITORY@DIGEST), counted by I(tally); raises RegistryError. Success proves nothing yet."""
        last = [time.monotonic()]

        def work() -> None:
            for event in self._events(reference):
                if tally.note(event):
                    last[0] = time.monotonic()

        def check() -> None:
            if tally.is_waiting and time.monotonic() - last[0] > self._timeout:
                problem = f"The engine at {self.host} pulled {reference} and nothing new came for {self._timeout} s"
                raise EngineError(problem, "")

        try:
            watched(work, check, _LOOK)
        except EngineError as error:
            raise RegistryError(error.problem, f"{what_helps(error.problem)}.") from error

    def _events(self, reference: str) -> t.Iterator[dict[str, t.Any]]:
        repository, _at, digest = reference.partition("@")
        client = self._connect(_UNPACK_TIMEOUT)
        with self._errors(f"pull {reference}", _UNPACK_TIMEOUT):
            for event in client.pull(repository, tag=digest, stream=True, decode=True):
                if "error" in event:
                    raise EngineError(f"The engine at {self.host} did not pull {reference}: {event['error']}", "")
                yield event


def pull_images(engine: PullingEngine, images: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Pull each of the images; of each its C(id), the C(bytes) that came, and C(problem) and C(next_step), empty when it is proven.

    Each has C(id), C(name), C(reference) (where to pull it), C(keep) (whether the engine shall go on knowing it by that reference), C(diff_ids), and
    C(layers), sizes by digest. What is proven gets a temporary name, as what was loaded has. After an error that is not about one image the registry is not
    asked again: that would cost its patience once more for each image.
    """
    outcomes: list[dict[str, t.Any]] = []
    for image in images:
        failed = outcomes[-1] if outcomes and outcomes[-1]["problem"] else None
        if failed and not is_missing(failed["problem"]):
            outcomes.append({**failed, "id": image["id"], "bytes": 0})
        else:
            outcomes.append(_pull_image(engine, image))
    return outcomes


def _pull_image(engine: PullingEngine, image: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    reference, tally = image["reference"], Tally(image["layers"])
    was_there, is_kept = engine.inspect(reference) is not None, False
    problem = next_step = ""
    try:
        engine.pull(reference, tally)
        prove(engine, reference, image["id"], image["diff_ids"], image["name"])
        engine.tag(image["id"], temporary_name(image["id"]))
        is_kept = image["keep"]
    except RegistryError as error:
        problem, next_step = error.problem, error.next_step
    except EngineError as error:
        problem, next_step = error.problem, _NOT_PROVEN
    if not was_there and not is_kept:
        engine.untag(reference)
    return {"id": image["id"], "bytes": tally.bytes, "problem": problem, "next_step": next_step}


def knock(registry: str) -> str:
    """Empty when this host reaches the port of C(HOST[:PORT][/PREFIX]), else why it does not."""
    place = urlsplit(f"//{registry}")
    try:
        with socket.create_connection((place.hostname or "", place.port or _HTTPS), _KNOCK):
            return ""
    except (OSError, ValueError) as error:
        return str(error)
