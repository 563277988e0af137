# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Transport registry: the host's engine pulls by digest from a registry to which the bundle was published.

The digests are those of the signed bundle, so a registry can fail to serve them and cannot serve anything else. What does not come is left to
the next transport.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.airlift.registry.plugins.module_utils._publication import published
from ansible_collections.airlift.registry.plugins.module_utils._reference import Reference, repository_of
from ansible_collections.airlift.registry.plugins.plugin_utils._progress import Progress
from ansible_collections.airlift.registry.plugins.plugin_utils._transport import Cargo


@dataclass
class Pulled:
    """What came from a registry: bytes by image ID; the bytes that came in vain; and what is to be said of the images that did not come."""

    images: dict[str, int] = field(default_factory=dict)
    wasted: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """All bytes that were pulled."""
        return sum(self.images.values()) + self.wasted


class FromRegistry:
    """Has the host pull from I(registry), C(HOST[:PORT][/PREFIX]). I(ask) runs the host's half; what it did is added to I(pulled)."""

    def __init__(
        self, registry: str, ask: t.Callable[[dict[str, t.Any]], t.Mapping[str, t.Any]], pulled: Pulled
    ) -> None:
        self._registry = registry
        self._ask = ask
        self._pulled = pulled

    def bring(self, cargo: Cargo, progress: Progress) -> None:
        """Nothing of it passes through the controller, so there is nothing that I(progress) could count."""
        images = images_to_pull(cargo.plan, self._registry)
        names = {image["id"]: image["name"] for image in images}
        failed: dict[str, list[str]] = {}
        for outcome in self._ask({"pull": images})["pulled"]:
            if outcome["problem"]:
                self._pulled.wasted += outcome["bytes"]
                failed.setdefault(f"{outcome['problem']}. {outcome['next_step']}", []).append(names[outcome["id"]])
            else:
                self._pulled.images[outcome["id"]] = outcome["bytes"]
        self._pulled.warnings += [
            f"{', '.join(missed)} did not come from the registry {self._registry} and is sent instead: {why}"
            for why, missed in failed.items()
        ]


def place(name: str, registry: str) -> Reference:
    """Where the image I(name) is in I(registry), C(HOST[:PORT][/NAMESPACE]); raises InputError for what is no registry."""
    host, _slash, namespace = registry.partition("/")
    return published(name, host, namespace)


def images_to_pull(plan: t.Mapping[str, t.Any], registry: str) -> list[dict[str, t.Any]]:
    """The images that a plan loads, each once, as the host's half wants them to pull them."""
    found: dict[str, dict[str, t.Any]] = {}
    for image in plan["images"]:
        if image["action"] == "load":
            request = _image(image, registry)
            if image["id"] not in found or request["keep"]:
                found[image["id"]] = request
    return list(found.values())


def _image(image: t.Mapping[str, t.Any], registry: str) -> dict[str, t.Any]:
    # Engines that go by the config pull the manifest; the others what the name means, and that is how they know it.
    is_graph = image["id"] == image["config"]
    repository = place(image["name"], registry).repository
    return {
        "id": image["id"],
        "name": image["name"],
        "reference": f"{repository}@{image['digest'] if is_graph else image['id']}",
        # A graph driver knows digests of pulled images only, and only in the repository that they were pulled from.
        "keep": is_graph and repository == repository_of(image["name"]),
        "diff_ids": [layer["diff_id"] for layer in image["layers"]],
        "layers": {layer["digest"]: layer["size"] for layer in image["layers"]},
    }
