#!/usr/bin/python
# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_prune
short_description: Remove images that nobody needs from an engine
version_added: 1.0.0
author:
  - The airlift.registry authors (@airlift)
description:
  - Removes names of images from a host's engine, and with the last name the image and the layers that no other image has.
  - Keeps what containers use, running or stopped, and what O(locks), O(keep), O(keep_versions) and O(min_age) say. Everything else goes, but only in
    O(repositories) when that is given.
  - Without any of O(locks), O(keep), O(keep_versions) and O(repositories) no image that has a name is removed.
  - Run it in check mode first; it tells what would go, why, and how many bytes that frees.
  - Never uses force. An image that got a container meanwhile is kept and reported, and so is a name that means another image meanwhile.
extends_documentation_fragment:
  - airlift.registry._attributes
  - airlift.registry._engine
  - airlift.registry._locks
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows which image ID each name means, before and after.
  idempotent:
    support: full
options:
  keep:
    description:
      - Patterns of names to keep, as V(registry.example.com/base/*) or V(*:stable). A name is compared in its full and in its short form, and an asterisk
        stands for any characters, slashes too.
    type: list
    elements: str
    default: []
  keep_versions:
    description:
      - How many images to keep of each repository, the newest by the date in their configs. Several tags of one image are one version.
      - Of images with the same date, as reproducible builds make them, the one with the higher tag is newer, whose numbers count as numbers.
      - An image that is kept for another reason counts too.
    type: int
  repositories:
    description:
      - Patterns of repositories to look at, as V(registry.example.com/team/*), in their full or short form. All when this is empty.
      - Names in other repositories are kept.
    type: list
    elements: str
    default: []
  dangling:
    description:
      - Also remove images that have no name, neither a tag nor a reference by digest. A tag that is moved to a new image leaves the old one like that.
      - An image that a lock has is kept, without a name too.
    type: bool
    default: false
  min_age:
    description:
      - Keep what is younger, by the date in the config or by when it was last tagged, if the engine tells that. A number of seconds, or one with V(s), V(m),
        V(h), V(d) or V(w), as in V(7d).
      - The clock is that of the host.
    type: str
    default: "0"
notes:
  - A name that a lock has is kept, on whatever platform, also when it means another image than the lock says; M(airlift.registry.image_preload) puts that
    right. An image that a lock has is kept with all its names when it has not the one that it should.
  - An image with a temporary name of a preload is kept.
  - Layers that intermediate images of a build on the host need stay too, as with C(docker image rm).
seealso:
  - module: airlift.registry.image_info
"""

EXAMPLES = r"""
- name: Show what would go when only the images of these bundles are kept (a dry run)
  airlift.registry.image_prune:
    locks: [/srv/bundles/2026-11.lock.yml, /srv/bundles/stack.lock.yml]
  become: true
  check_mode: true
  register: plan

- name: Say how many bytes that would free
  ansible.builtin.debug:
    msg: "{{ plan.bytes_predicted }}"

- name: Remove it, and images without a name
  airlift.registry.image_prune:
    locks: [/srv/bundles/2026-11.lock.yml, /srv/bundles/stack.lock.yml]
    dangling: true
  become: true

- name: Keep the newest three versions of each image of the team, and what came in the last week
  airlift.registry.image_prune:
    repositories: ["registry.example.com/team/*"]
    keep: ["*:stable"]
    keep_versions: 3
    min_age: 7d
  become: true
"""

RETURN = r"""
images:
  description:
    - Each image, and each of its names, with the action and the reason. V(untag) is an image of which only some names go.
    - An image without a name is listed by its ID.
  returned: success
  type: list
  elements: dict
  sample:
    - id: sha256:0c5b1a3d4b5e9a1d1f4a2e5c9a0f6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6
      created: "2026-09-20T08:00:00Z"
      action: remove
      reason: no lock names it, no container uses it
      names:
        - name: docker.io/library/app:1.2
          action: remove
          reason: no lock names it, no container uses it
bytes_predicted:
  description:
    - Bytes of the unpacked layers that go with the images, which no image that stays has. V(null) when the engine does not tell the size of one of them.
    - A containerd image store frees the compressed blobs as well, whose sizes are not told; they are not in the sum.
  returned: success
  type: int
  sample: 1712532
bytes_freed:
  description:
    - By how much the layers of all images shrank, by the engine's own count before and after. V(0) when nothing was removed and in check mode, V(null) when the
      engine does not count (podman 4 does not).
    - With a containerd image store Docker 26 counts unpacked layers only, Docker 28 and 29 the compressed blobs too.
    - Unlike RV(bytes_predicted) it has what others did to the engine at the same time.
  returned: success
  type: int
  sample: 1712532
engine:
  description: The engine, with its version and image store.
  returned: success
  type: dict
  sample: {"version": "28.5.2", "store": "graph", "driver": "overlay2"}
"""

import typing as t
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airlift.registry.plugins.module_utils._engine_storage import EngineStorage
from ansible_collections.airlift.registry.plugins.module_utils._errors import EngineError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._module import (
    ENGINE_ARGUMENTS,
    LOCK_ARGUMENTS,
    run_module,
)
from ansible_collections.airlift.registry.plugins.module_utils._retention import (
    Rules,
    decide,
    freed,
    outcome,
    parse_age,
)

Decision = dict[str, t.Any]


class Pruner:
    """Removes from one engine what nothing keeps. The locks are read by the action plugin of the same name, on the controller."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.rules = _rules(module.params)
        self.engine = EngineStorage(module.params["docker_host"], module.params["docker_timeout"])

    def prune(self) -> dict[str, t.Any]:
        """The module's result."""
        images = self.engine.local_images()
        plan = decide(images, self.engine.containers(), self.rules, datetime.now(timezone.utc))
        wanted = _is_change(plan) and not self.module.check_mode
        done, bytes_freed = self._carry_out(images, plan) if wanted else (plan, 0)
        return {
            "changed": _is_change(done),
            "images": done,
            "bytes_predicted": freed(images, {entry["id"] for entry in plan if entry["action"] == "remove"}),
            "bytes_freed": bytes_freed,
            "engine": self.engine.description(),
            "diff": {"before": _names(done, "keep", "remove"), "after": _names(done, "keep")},
        }

    def _carry_out(self, images: list[dict[str, t.Any]], plan: list[Decision]) -> tuple[list[Decision], int | None]:
        before = self._usage()
        done = [
            outcome(image, [self._remove(name, image["id"]) for name in entry["names"]])
            for image, entry in zip(images, plan)
        ]
        after = self._usage()
        return done, before - after if before and after is not None else None

    def _remove(self, name: dict[str, str], image_id: str) -> dict[str, str]:
        """Remove a name if it should go, and still means what it meant; what became of it."""
        if name["action"] == "keep":
            return name
        found = self.engine.inspect(name["name"])
        if found and found["id"] != image_id:
            return {**name, "action": "keep", "reason": f"meanwhile it means another image, {found['id']}"}
        refusal = self.engine.remove(name["name"])
        if refusal:
            return {**name, "action": "keep", "reason": f"the engine refused: {refusal}"}
        if self.engine.inspect(name["name"]):
            return {**name, "action": "keep", "reason": "the engine said that it removed it, and still has it"}
        return name

    def _usage(self) -> int | None:
        """The engine's own count, or nothing: a count that fails must not keep anybody from making room."""
        try:
            return self.engine.disk_usage()
        except EngineError as error:
            self.module.warn(f"bytes_freed is not known. {error}")
            return None


def _rules(params: t.Mapping[str, t.Any]) -> Rules:
    if (params["keep_versions"] or 0) < 0:
        raise InputError(f"keep_versions is {params['keep_versions']}", "Give the number of images to keep, 0 or more.")
    return Rules(
        locked=tuple(params["_locked"]),
        keep=tuple(params["keep"]),
        keep_versions=params["keep_versions"],
        repositories=tuple(params["repositories"]),
        dangling=params["dangling"],
        min_age=parse_age(params["min_age"]),
    )


def _is_change(decisions: t.Iterable[Decision]) -> bool:
    return any(entry["action"] != "keep" for entry in decisions)


def _names(decisions: t.Iterable[Decision], *actions: str) -> dict[str, str]:
    """What each name means, of those with one of these actions."""
    return {name["name"]: entry["id"] for entry in decisions for name in entry["names"] if name["action"] in actions}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "keep": {"type": "list", "elements": "str", "default": []},
            "keep_versions": {"type": "int"},
            "repositories": {"type": "list", "elements": "str", "default": []},
            "dangling": {"type": "bool", "default": False},
            "min_age": {"type": "str", "default": "0"},
            **LOCK_ARGUMENTS,
            **ENGINE_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: Pruner(module).prune())


if __name__ == "__main__":
    main()
