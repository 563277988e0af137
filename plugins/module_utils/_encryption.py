# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Encryption at rest by age(1), to age or SSH public keys. Both ways the bytes stream through; age authenticates them.

What is decrypted goes to a file that never has a name: when the process ends, however it ends, the plain bytes are gone.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError, HostError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._medium import Medium, Opener
from ansible_collections.airlift.registry.plugins.module_utils._pipe import copy, pipe_through
from ansible_collections.airlift.registry.plugins.module_utils._signature import Run

_RECIPIENT = re.compile(r"age1[a-z0-9]+|(ssh-ed25519|ssh-rsa) [A-Za-z0-9+/=]+( [^\r\n]*)?")


def check_recipients(recipients: t.Sequence[str]) -> None:
    """Raise InputError for what is no public key of a kind that age encrypts to."""
    for recipient in recipients:
        if not _RECIPIENT.fullmatch(recipient.strip()):
            raise InputError(
                f"{recipient[:60]!r} is no public key that age encrypts to",
                "Give age1..., or an SSH public key: ssh-ed25519 AAAA... or ssh-rsa AAAA... (age knows no other kinds).",
            )


def encrypt(feed: t.Callable[[t.BinaryIO], None], target: t.BinaryIO, recipients: t.Sequence[str], run: Run) -> None:
    """Write what I(feed) writes to I(target), encrypted so that any one of the I(recipients) can read it."""
    check_recipients(recipients)
    with tempfile.NamedTemporaryFile("w", prefix="airlift-", suffix=".recipients") as keys:
        keys.write("".join(f"{recipient.strip()}\n" for recipient in recipients))
        keys.flush()
        code, err = pipe_through(["age", "--encrypt", "-R", keys.name], feed, lambda made: copy(made, target), run)
    if code != 0:
        raise _missing(code) or InputError(f"age did not encrypt: {_reason(err)}", "Correct the public keys.")


def decrypt(medium: Medium, identity: str, target: t.BinaryIO, run: Run) -> None:
    """Write the plain bytes of an encrypted file to I(target), opened by the private key at I(identity).

    Raises InputError when that key is none of the recipients', BundleError when the file was changed or cut short.
    """
    _check_identity(medium, identity)

    def feed(source: t.BinaryIO) -> None:
        with medium.open() as stream:
            copy(stream, source)

    code, err = pipe_through(["age", "--decrypt", "-i", identity], feed, lambda plain: copy(plain, target), run)
    target.flush()
    if code != 0:
        raise _missing(code) or _refusal(medium.path, identity, _reason(err))


def decrypted(medium: Medium, identity: str, directory: str, run: Run) -> Opener:
    """Decrypt into a nameless file of mode 0600 in I(directory); how it is opened. It lives as long as the Opener."""
    check_room(directory, medium)
    plain = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - the Opener keeps it
    decrypt(medium, identity, t.cast(t.BinaryIO, plain), run)
    # Each stream needs a position of its own, which a duplicate of the handle would not have.
    return lambda: open(f"/proc/self/fd/{plain.fileno()}", "rb")


def decrypted_once(medium: Medium, identity: str, directory: str, run: Run) -> Opener:
    """The same for all processes that share I(directory): the first decrypts into a file there, and the others wait for it.

    Whoever made the directory, which nobody else may read, removes it with the file.
    """
    stamps = [(path, os.stat(path).st_mtime_ns, os.stat(path).st_size) for path in medium.files]
    name = hashlib.sha256(repr((identity, stamps)).encode()).hexdigest()[:16]
    path = os.path.join(directory, f"airlift-{name}.tar")
    with open(f"{path}.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            check_room(directory, medium)
            with tempfile.NamedTemporaryFile(dir=directory, prefix="airlift-") as plain:
                decrypt(medium, identity, t.cast(t.BinaryIO, plain), run)
                os.link(plain.name, path)
    return lambda: open(path, "rb")


def check_room(directory: str, medium: Medium) -> None:
    """Raise HostError when the plain bytes would not fit into I(directory)."""
    free = shutil.disk_usage(directory).free
    if free < medium.size:
        raise HostError(
            f"Decrypting {medium.path} takes {medium.size} bytes in {directory}, and {free} are free there",
            "Make room there, or let Ansible keep its temporary files on another disk (remote_tmp, and local_tmp for preload).",
        )


def _check_identity(medium: Medium, identity: str) -> None:
    if not identity:
        raise InputError(
            f"Bundle {medium.path} is encrypted",
            "Set identity to the path of the private key (of age or SSH) that opens it.",
        )
    if not os.path.isfile(identity):
        raise InputError(f"There is no private key at {identity}", "Correct identity; it is the path of a file.")


def _refusal(path: str, identity: str, reason: str) -> InputError | BundleError:
    if "no identity matched" in reason:
        return InputError(
            f"{identity} does not open bundle {path}",
            "Give the private key of somebody for whom it was encrypted, or ask whoever made it to encrypt it for you.",
        )
    if identity in reason:
        return InputError(
            f"age cannot open bundle {path} with {identity}: {reason}",
            "Give an age identity file, or an SSH private key (Ed25519 or RSA) without a passphrase.",
        )
    return BundleError(
        f"Bundle {path} is damaged or cut short: age says {reason}",
        "Copy the bundle again from where it was made, or make it anew.",
    )


def _missing(code: int) -> HostError | None:
    if code != 127:
        return None
    return HostError("age is not installed on the host that has the bundle", "Install the package age.")


def _reason(err: str) -> str:
    lines = err.strip().splitlines()
    return lines[0].removeprefix("age: error: ") if lines else "nothing"
