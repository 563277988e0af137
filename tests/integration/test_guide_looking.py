# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide to looking into bundles, followed word for word."""

from __future__ import annotations

import shutil
from pathlib import Path

from ansible_collections.airlift.registry.tests.integration.support import documents
from ansible_collections.airlift.registry.tests.integration.support.lab import ROOT
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

GUIDE = (ROOT / "docs/guides/looking-into-bundles.md").read_text()
APP = "docker.io/library/app:v1"


def test_the_guide(tmp_path: Path, signer: Signer) -> None:
    bundles.make_bundle(tmp_path / "app.tar", signer, {APP: [images.layer("base"), images.layer("top")]})
    shutil.copy(signer.allowed_signers, tmp_path / "allowed_signers")
    said = [documents.run(command, tmp_path) for command in documents.commands(GUIDE)]
    readme, lock, verified, info, _kept, compared = said
    assert "docker load" in readme
    assert f'name: "{APP}"' in lock
    assert '"signer": "release@example.com"' in verified
    assert '"history"' in info
    assert '"unchanged": [' in compared
