# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""SSH signatures (PROTOCOL.sshsig) by OpenSSH's ssh-keygen: sign a file, verify one against an allowed_signers file."""

from __future__ import annotations

import os
import tempfile
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError, InputError, SignatureError

NAMESPACE = "airlift-bundle"
MAX_SIGNATURE = 64 * 1024

# What runs a program: its arguments and what it reads in, its exit code and both outputs out.
Run = t.Callable[[t.Sequence[str], t.Optional[bytes]], tuple[int, str, str]]

_TRUST = "Ask whoever made the bundle for their public key, and add it to allowed_signers if you trust them."
_CLOCK = (
    "Compare the clock of the machine that verifies (date) with valid-after and valid-before in allowed_signers. "
    "Set the clock right, or ask whoever made the bundle for one that is signed with a key of today."
)
_NOT_NOW = ("key has expired", "key is not yet valid")


def sign(path: str, key: str, run: Run) -> None:
    """Sign the file at I(path) with the private key at I(key); the signature is written to I(path).sig."""
    if not os.path.isfile(key):
        raise InputError(f"There is no signing key at {key}", "Make one with: ssh-keygen -t ed25519 -f " + key)
    code, out, err = run(["ssh-keygen", "-Y", "sign", "-q", "-n", NAMESPACE, "-f", key, path], b"")
    if code != 0:
        raise InputError(
            f"ssh-keygen could not sign with {key}: {_last_line(err or out)}",
            "Check that it is a private key without a passphrase, or that ssh-agent holds it.",
        )


def verify(message: bytes, signature: bytes, allowed_signers: str, what: str, run: Run) -> str:
    """Who signed I(message): the principal in I(allowed_signers). Raises SignatureError when nobody there did."""
    if not os.path.isfile(allowed_signers):
        raise InputError(
            f"There is no allowed_signers file at {allowed_signers}",
            'Write one line per signer: NAME namespaces="airlift-bundle" and the public key (see ssh-keygen(1), ALLOWED SIGNERS).',
        )
    with tempfile.NamedTemporaryFile(prefix="airlift-", suffix=".sig") as signature_file:
        signature_file.write(signature)
        signature_file.flush()
        return _verify_file(message, signature_file.name, allowed_signers, what, run)


def _verify_file(message: bytes, signature: str, allowed_signers: str, what: str, run: Run) -> str:
    code, out, err = run(["ssh-keygen", "-Y", "find-principals", "-s", signature, "-f", allowed_signers], b"")
    if code == 127:
        raise HostError(
            "ssh-keygen is not installed on the host that runs Ansible", "Install OpenSSH's client (openssh-client)."
        )
    principal = out.strip().splitlines()[0] if code == 0 and out.strip() else ""
    if not principal:
        _check_time(err, what)
        raise SignatureError(f"{what} is signed by nobody in {allowed_signers} ({_last_line(err)})", _TRUST)
    code, out, err = run(
        ["ssh-keygen", "-Y", "verify", "-q", "-n", NAMESPACE, "-f", allowed_signers, "-I", principal, "-s", signature],
        message,
    )
    if code != 0:
        _check_time(err, what)
        raise SignatureError(
            f"The signature of {what} is wrong, though its key belongs to {principal} ({_last_line(err or out)})",
            "The checksums were changed after they were signed, or the key is not trusted for bundles. "
            "Don't use this copy; get the bundle again.",
        )
    return principal


def _check_time(said: str, what: str) -> None:
    """Raise SignatureError when ssh-keygen refused a key because of the time, be it the key's or that of this machine's clock."""
    for line in said.splitlines():
        if any(reason in line for reason in _NOT_NOW):
            raise SignatureError(f"{what} is signed with a key that is not valid at this time ({line.strip()})", _CLOCK)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
