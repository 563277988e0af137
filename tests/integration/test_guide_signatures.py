# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide to signatures, followed word for word between two real registries; only their names are others."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support import documents
from ansible_collections.airlift.registry.tests.integration.support import lab as labs
from ansible_collections.airlift.registry.tests.integration.support.lab import ROOT
from ansible_collections.airlift.registry.tests.integration.support.registries import (
    Registry,
    distribution,
    with_referrers_api,
)
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

GUIDE = (ROOT / "docs/guides/signatures.md").read_text()
NAME = "docker.io/library/app:v1"


def in_place_of_the_reader(text: str, source: Registry, target: Registry) -> str:
    return text.replace("registry.example.com", source.host).replace("registry.local", target.host)


def sign(cosign: Path, registry: Registry, directory: Path) -> None:
    """What the maker of the image has done."""
    for command in (
        ["generate-key-pair", "--output-key-prefix", "team"],
        ["signing-config", "create", "--out", "offline.json"],
        ["sign", "--yes", "--key", "team.key", "--signing-config", "offline.json", "--registry-cacert", str(registry.ca), f"{registry.host}/team/app:1.4"],
    ):  # fmt: skip
        subprocess.run([cosign, *command], cwd=directory, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def test_the_guide(tools: dict[str, Path], tmp_path: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("source", "target", "reader"):
        (tmp_path / name).mkdir()
    reader = tmp_path / "reader"
    monkeypatch.setenv("PATH", f"{tools['cosign'].parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(reader))
    monkeypatch.setenv("COSIGN_PASSWORD", "")
    bundles.make_bundle(tmp_path / "layout", signer, {NAME: [images.layer("base")]})
    shutil.copy(signer.key, reader / "signing_key")
    shutil.copy(signer.allowed_signers, reader / "allowed_signers")
    labs.lab("image", "registry")
    with (
        distribution(tmp_path / "source", "guide-signatures") as source,
        with_referrers_api(tmp_path / "target", tools["referrers_registry"]) as target,
    ):
        push = ["skopeo", "copy", "--quiet", "--dest-cert-dir", str(source.certs), f"oci:{tmp_path}/layout:{NAME}"]
        subprocess.run([*push, f"docker://{source.host}/team/app:1.4"], check=True)
        sign(tools["cosign"], source, reader)
        for block in documents.blocks(GUIDE, "yaml"):
            text = in_place_of_the_reader(block, source, target) + f"bundle_cert_dir: {source.certs}\n"
            (reader / block.partition("\n")[0].removeprefix("# ")).write_text(text)
        registries = [{"registry": target.host, "ca_path": str(target.ca)}]
        (reader / "registries.yml").write_text(json.dumps({"publish_registries": registries}))
        shutil.copy(target.ca, reader / "ca.crt")
        commands = [in_place_of_the_reader(command, source, target) for command in documents.commands(GUIDE)]
        made, lock, listing, published, verified = [documents.run(command, reader) for command in commands]
    assert "changed=1" in made
    assert "referrers:\n" in lock
    assert json.loads(listing)["manifests"][0]["artifactType"].startswith("application/vnd.dev.sigstore.bundle")
    assert "changed=1" in published
    assert "signatures were verified against the specified public key" in verified
