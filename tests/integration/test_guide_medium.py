# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide to media, followed word for word; only its stick and the user's home are elsewhere."""

from __future__ import annotations

import json
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support import documents
from ansible_collections.airlift.registry.tests.integration.support.lab import ROOT
from ansible_collections.airlift.registry.tests.unit.plugins.support import images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

GUIDE = (ROOT / "docs/guides/medium.md").read_text()
MAKE, CHECK, JOIN, DECRYPT = documents.commands(GUIDE)
(REPAIR,) = documents.blocks(GUIDE, "yaml")


@pytest.fixture
def stick(tmp_path: Path, signer: Signer) -> Path:
    """A stick beside the files of whoever makes the bundle, and what app:1.0 is there."""
    layers = [images.layer("base"), images.layer("top")]
    (tmp_path / "app.tar").write_bytes(images.tar(images.legacy_archive(images.Saved(layers, ("app:1.0",)))))
    shutil.copy(signer.key, tmp_path / "signing_key")
    shutil.copy(signer.allowed_signers, tmp_path / "allowed_signers")
    (tmp_path / "stick").mkdir()
    return tmp_path / "stick"


def make(stick: Path, *more: str) -> str:
    """The guide's first command. Where it asks the engine for app:1.0, an archive of that image stands in."""
    command = MAKE.replace("/media/stick", str(stick)).replace(
        "docker-daemon:app:1.0", f"docker-archive:{stick.parent}/app.tar:app:1.0"
    )
    return documents.run(" ".join([command, *more]), stick.parent)


def test_parts(stick: Path) -> None:
    assert "changed=1" in make(stick)
    assert documents.run(CHECK, stick) == "app.tar.001: OK\n"
    documents.run(JOIN, stick)
    assert (stick / "app.tar").read_bytes() == (stick / "app.tar.001").read_bytes()


def test_parity(stick: Path) -> None:
    make(stick, "-e bundle_parity=100")
    part = stick / "app.tar.001"
    content = part.read_bytes()
    part.write_bytes(content[:1000] + b"damaged" + content[1007:])
    tasks = textwrap.indent(REPAIR.replace("/media/stick", str(stick)), "    ")
    (stick.parent / "verify.yml").write_text(f"- hosts: localhost\n  gather_facts: false\n  tasks:\n{tasks}")
    said = documents.run("ansible-playbook verify.yml", stick.parent)
    assert "changed=1" in said
    assert part.read_bytes() == content


def test_encryption(stick: Path) -> None:
    key = stick.parent / ".ssh/id_ed25519"
    key.parent.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    recipients = json.dumps({"bundle_encrypt_to": [key.with_suffix(".pub").read_text().strip()]})
    make(stick, f"-e '{recipients}'", "-e bundle_part_size=''")
    assert not (stick / "app.tar").exists()
    documents.run(f"HOME={stick.parent}; {DECRYPT}", stick)
    listed = documents.run("tar -tf app.tar", stick)
    assert "bundle.lock.yml" in listed
