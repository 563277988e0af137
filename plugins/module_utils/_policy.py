# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Which images must be signed, and by whom: the option C(require_signatures), checked by cosign where the images are."""

from __future__ import annotations

import fnmatch
import os
import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError, InputError, SignatureError
from ansible_collections.airlift.registry.plugins.module_utils._reference import parse_reference, repository_of
from ansible_collections.airlift.registry.plugins.module_utils._registry import Access
from ansible_collections.airlift.registry.plugins.module_utils._signature import Run
from ansible_collections.airlift.registry.plugins.module_utils._skopeo import write_authfile
from ansible_collections.airlift.registry.plugins.module_utils._source import Wanted


@dataclass(frozen=True)
class Rule:
    """A public key, and the names (patterns) of the images that it is for."""

    key: str
    images: tuple[str, ...]

    def is_for(self, name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.images)


def parse_rules(values: t.Sequence[t.Mapping[str, t.Any]]) -> list[Rule]:
    """The option, whose entries have C(key) and C(images); raises InputError when there is no such key."""
    for value in values:
        if not os.path.isfile(value["key"]):
            raise InputError(
                f"There is no public key at {value['key']}",
                "Check the path; cosign generate-key-pair makes a pair, of which cosign.pub is meant.",
            )
    return [Rule(value["key"], tuple(value["images"])) for value in values]


def check_signed(
    ids: t.Mapping[Wanted, str], rules: t.Sequence[Rule], access: t.Callable[[str], Access], run: Run, scratch: str
) -> None:
    """Raise SignatureError unless each image that rules are for is signed by one of their keys.

    I(ids) are the digests of the images at their sources, I(access) is what the repository of an image wants, I(scratch) a directory.
    """
    for wanted, digest in ids.items():
        keys = [rule.key for rule in rules if rule.is_for(wanted.name)]
        if keys:
            _check_image(wanted, digest, keys, access, run, scratch)


def _check_image(
    wanted: Wanted, digest: str, keys: t.Sequence[str], access: t.Callable[[str], Access], run: Run, scratch: str
) -> None:
    if wanted.source.transport != "docker":
        raise SignatureError(
            f"Image {wanted.name} must be signed by {' or '.join(keys)}, and {wanted.source} keeps no signatures",
            "Take it from a registry (docker://), or leave it out of the names of require_signatures.",
        )
    location = f"{repository_of(wanted.source.location)}@{digest}"
    found = access(location)
    _write_config(scratch, location, found)
    problems = []
    for key in keys:
        code, _out, err = run(["env", f"DOCKER_CONFIG={scratch}", *_command(key, found), location], None)
        if code == 0:
            return
        if code == 127:
            raise HostError(
                "cosign is not installed, and require_signatures needs it",
                "Install cosign 3 on the host that makes the bundle: https://github.com/sigstore/cosign/releases",
            )
        problems.append(f"{key}: {_last_line(err)}")
    raise SignatureError(
        f"Image {wanted.name} ({location}) is not signed by {' or '.join(keys)} ({'; '.join(problems)})",
        "Let its maker sign it (cosign sign), correct the key, or don't bring it.",
    )


def _command(key: str, access: Access) -> list[str]:
    # With a key the transparency log proves nothing that the signature does not, and it is not within reach.
    command = ["cosign", "verify", "--key", key, "--insecure-ignore-tlog=true", "--output", "json"]
    for option, value in (
        ("--registry-cacert", access.ca_path),
        ("--registry-client-cert", access.client_cert),
        ("--registry-client-key", access.client_key),
    ):
        command += [option, value] if value else []
    return command


def _write_config(directory: str, location: str, access: Access) -> None:
    path = os.path.join(directory, "config.json")
    if os.path.exists(path):
        os.unlink(path)
    if access.username:
        write_authfile(path, parse_reference(location).domain, access.username, access.password)


def _last_line(err: str) -> str:
    lines = err.strip().splitlines()
    return lines[-1].removeprefix("error during command execution: ") if lines else "cosign said nothing"
