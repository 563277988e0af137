# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What the maker of an encrypted bundle needs to know whether a second run would make the same: C(NAME.tar.age.record).

The bundle is encrypted for others, so the maker cannot look into it, and its bytes differ each time. The record has a message authentication
code (RFC 2104) over all that went in and over the files that came out. Its key is derived from a signature that only the holder of the signing
key can make, so to everybody else it tells nothing, not even whether a guess at the content is right.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._form import (
    RECORD_HEAD,
    RECORD_SUFFIX,
    Form,
    files_of_bundle,
)
from ansible_collections.airlift.registry.plugins.module_utils._lock import LockedImage, entry_data
from ansible_collections.airlift.registry.plugins.module_utils._parts import digest_file
from ansible_collections.airlift.registry.plugins.module_utils._signature import Run
from ansible_collections.airlift.registry.plugins.module_utils._source import Wanted

NAMESPACE = "airlift-record"

_LINE = re.compile(RECORD_HEAD.decode() + r"([0-9a-f]{64}) ([0-9a-f]{64})\n")


# Options that say how a bundle is made and not what of, or whose files are looked at instead.
_NO_FACTS = (
    "path", "signing_key", "base", "allowed_signers", "authfile", "cert_dir", "docker_host", "docker_timeout", "parallel", "work_path",
)  # fmt: skip


def facts(
    options: t.Mapping[str, t.Any],
    ids: t.Mapping[Wanted, str],
    taken: t.Iterable[LockedImage],
    bases: t.Iterable[str],
    public_key: str,
) -> t.Any:
    """All that decides what a bundle is: the module's options, the images as their sources know them, the IDs of bases, and who signs."""
    images = sorted([wanted.name, str(wanted.source), *wanted.platforms, known] for wanted, known in ids.items())
    relevant = {name: value for name, value in options.items() if name not in _NO_FACTS}
    return [relevant, images, [entry_data(entry) for entry in taken], sorted(bases), public_key]


def record_differences(path: str, form: Form, facts: t.Any, signing_key: str, run: Run) -> list[str]:
    """Why the encrypted bundle at I(path) is not what would be made of I(facts), as far as its record tells."""
    base = form.base(path)
    if not files_of_bundle(path):
        return [f"there is no bundle at {path}"]
    if is_recorded(base, facts, signing_key, run):
        return []
    return [f"what is at {base} is not what would be made now, or it is damaged, says {base}{RECORD_SUFFIX}"]


def write_record(base: str, facts: t.Any, signing_key: str, run: Run) -> None:
    """Note that the encrypted bundle whose files begin with I(base) was made of I(facts), which JSON can express."""
    salt = secrets.token_hex(32)
    code = _code(base, facts, salt, signing_key, run)
    with open(f"{base}{RECORD_SUFFIX}", "w", encoding="utf-8") as target:
        target.write(f"{RECORD_HEAD.decode()}{salt} {code}\n")


def is_recorded(base: str, facts: t.Any, signing_key: str, run: Run) -> bool:
    """Whether the files that are there are those that were made of I(facts), all of them, and unchanged."""
    try:
        with open(f"{base}{RECORD_SUFFIX}", encoding="utf-8", errors="replace") as stream:
            match = _LINE.fullmatch(stream.read(1000))
    except OSError:
        return False
    return match is not None and hmac.compare_digest(_code(base, facts, match[1], signing_key, run), match[2])


def _code(base: str, facts: t.Any, salt: str, signing_key: str, run: Run) -> str:
    key = hashlib.sha256(_secret(salt, signing_key, run)).digest()
    files = {os.path.basename(file): digest_file(file) for file in _files(base)}
    message = json.dumps([facts, files], sort_keys=True).encode()
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def _files(base: str) -> list[str]:
    return [file for file in files_of_bundle(base) if not file.endswith(RECORD_SUFFIX)]


def _secret(salt: str, signing_key: str, run: Run) -> bytes:
    code, out, err = run(["ssh-keygen", "-Y", "sign", "-q", "-n", NAMESPACE, "-f", signing_key], salt.encode())
    if code != 0:
        raise InputError(
            f"ssh-keygen could not sign with {signing_key}: {(err or out).strip()}",
            "Check that it is a private key without a passphrase, or that ssh-agent holds it.",
        )
    return out.encode()
