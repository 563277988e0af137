# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files in parts, encrypted files and parity, made by the tools that a person without this collection would use."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


def split(path: Path, size: int) -> list[Path]:
    """Replace a file by its parts and the list of their checksums."""
    subprocess.run(
        ["split", f"--bytes={size}", "--numeric-suffixes=1", "--suffix-length=3", path.name, f"{path.name}."],
        cwd=path.parent,
        check=True,
    )
    path.unlink()
    parts = sorted(path.parent.glob(f"{path.name}.[0-9][0-9][0-9]"))
    list_parts(path, parts)
    return parts


def list_parts(path: Path, parts: list[Path]) -> None:
    """Write the checksums of parts, as they are now, into their list."""
    with open(f"{path}.SHA256SUMS", "wb") as target:
        subprocess.run(["sha256sum", *(part.name for part in parts)], cwd=path.parent, check=True, stdout=target)


@dataclass(frozen=True)
class Key:
    """A private key in a file, and the public key as age wants it."""

    identity: Path
    recipient: str


def make_age_key(directory: Path, name: str = "age-key") -> Key:
    identity = directory / name
    subprocess.run(["age-keygen", "-o", str(identity)], check=True, stderr=subprocess.DEVNULL)
    public = subprocess.run(["age-keygen", "-y", str(identity)], check=True, capture_output=True, text=True)
    return Key(identity, public.stdout.strip())


def make_ssh_key(directory: Path, kind: str = "ed25519", passphrase: str = "") -> Key:
    identity = directory / f"ssh-{kind}-{len(passphrase)}"
    size = ["-b", "2048"] if kind == "rsa" else []  # quicker than the default
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *size, "-N", passphrase, "-f", str(identity)], check=True)
    return Key(identity, identity.with_suffix(".pub").read_text().strip())


def encrypt(path: Path, *keys: Key) -> Path:
    """Replace a file by an encrypted one."""
    encrypted = path.with_name(f"{path.name}.age")
    recipients = [argument for key in keys for argument in ("-r", key.recipient)]
    subprocess.run(["age", "--encrypt", *recipients, "-o", str(encrypted), str(path)], check=True)
    path.unlink()
    return encrypted
