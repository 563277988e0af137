# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide to local storage, followed word for word on real hosts."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from ansible_collections.airlift.registry.tests.integration.support import documents
from ansible_collections.airlift.registry.tests.integration.support.lab import HOSTS, ROOT, Lab
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

GUIDE = (ROOT / "docs/guides/local-storage.md").read_text()
V1, V2 = "docker.io/library/app:v1", "docker.io/library/app:v2"
BASE = images.layer("base")


def test_the_guide(lab: Lab, ansible: Ansible, signer: Signer, tmp_path: Path) -> None:
    contents = {name: [BASE, images.layer(name)] for name in (V1, V2)}
    bundles.make_bundle(tmp_path / "both", signer, contents)
    bundles.make_bundle(tmp_path / "app.tar", signer, {V2: contents[V2]})
    shutil.copy(signer.allowed_signers, tmp_path / "allowed_signers")
    shutil.copy(lab.inventory, tmp_path / "inventory.yml")
    for host in HOSTS:
        lab.clean(host)
    ansible.module(
        "fleet", "image_preload", {"path": [str(tmp_path / "both")], "allowed_signers": str(signer.allowed_signers)}
    )
    for host in HOSTS:
        lab.run(host, "docker create --name web app:v2 true")
    said = [documents.run(command, tmp_path) for command in documents.commands(GUIDE)]
    info, saved, exported, drift, asked, pruned = said
    assert f'"{V1}"' in info
    assert "manifest.json" in saved
    assert "etc/motd" in exported
    assert "manifest.json" not in exported
    assert drift.count('"state": "present"') == drift.count('"matches": false') == len(HOSTS)
    assert "container web uses it" in asked
    for run in (asked, pruned):
        assert len(re.findall(r"^fleet\d .*changed=1 .*failed=0", run, re.MULTILINE)) == len(HOSTS)
    assert "bytes_freed" in pruned
    assert "bytes_freed" not in asked
    assert all(set(lab.images(host)) == {"app:v2"} for host in HOSTS)
    again = documents.run(documents.commands(GUIDE)[-1], tmp_path)
    assert len(re.findall(r"^fleet\d .*changed=0 .*failed=0", again, re.MULTILINE)) == len(HOSTS)
