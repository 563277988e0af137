# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide to bundling, followed word for word; only its /srv/images is elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

from ansible_collections.airlift.registry.tests.integration.support import documents
from ansible_collections.airlift.registry.tests.integration.support.lab import ROOT
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

GUIDE = (ROOT / "docs/guides/bundling.md").read_text()
APP, TOOL = "docker.io/library/app:v1", "registry.example.com/tool:2.0"


def test_the_guide(tmp_path: Path, signer: Signer) -> None:
    layers = [images.layer("base"), images.layer("top")]
    bundles.make_bundle(tmp_path / "layout", signer, {APP: layers, "docker.io/library/other:v1": layers[:1]})
    (tmp_path / "tool.tar").write_bytes(images.tar(images.legacy_archive(images.Saved(layers, None))))
    shutil.copy(signer.key, tmp_path / "signing_key")
    for block in documents.blocks(GUIDE, "yaml"):
        name = block.partition("\n")[0].removeprefix("# ")
        (tmp_path / name).write_text(block.replace("/srv/images", str(tmp_path)))
    said = [documents.run(command, tmp_path) for command in documents.commands(GUIDE)]
    site, _lock, again, _compared, compose = said
    for output in (site, again, compose):
        assert "changed=1" in output
        assert f'"name": "{APP}"' in output
        assert f'"name": "{TOOL}"' in output
    assert "other" not in compose
