# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide to thin links, followed word for word on two hosts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from ansible_collections.airlift.registry.tests.integration.support import documents
from ansible_collections.airlift.registry.tests.integration.support.lab import HOSTS, ROOT, Lab
from ansible_collections.airlift.registry.tests.integration.test_incremental import of_the_lab
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

GUIDE = (ROOT / "docs/guides/thin-links.md").read_text()
BRING = "ansible-playbook -i inventory.yml airlift.registry.prepare -e"


def test_the_guide(lab: Lab, signer: Signer, tmp_path: Path) -> None:
    for host in HOSTS:
        lab.clean(host)
    shutil.copy(signer.key, tmp_path / "signing_key")
    shutil.copy(signer.allowed_signers, tmp_path / "allowed_signers")
    shutil.copy(lab.inventory, tmp_path / "inventory.yml")
    shutil.copy("/usr/bin/xdelta3", tmp_path / "xdelta3")
    try:
        *_others, predicted, _sent = [
            documents.run(of_the_lab(command), tmp_path) for command in documents.commands(GUIDE)
        ]
        assert predicted.count('"reason": "deltas=always') == len(HOSTS)
        for host in HOSTS:
            report = json.loads((tmp_path / "report" / f"{host}.json").read_text())
            layers = report["images"][0]["layers"]
            assert [layer["action"] for layer in layers] == ["present", "present", "delta"]
            assert report["bytes_sent"] < 0.2 * layers[2]["size"]
            assert lab.run(host, "docker run --rm --network none app:v2") == "app v2"
            assert lab.look(host).staging == ()
    finally:
        removed = documents.run(f"{BRING} prepare_state=absent", tmp_path)
        assert "failed=0" in removed
    for host in HOSTS:
        assert lab.run(host, "ls /var/lib/airlift/bin 2>/dev/null || true") == ""
        lab.clean(host)
