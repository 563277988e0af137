# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide to hosts with little on them, word for word, on a host of today and on Debian 11, both without the Docker SDK."""

from __future__ import annotations

import json
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support import documents
from ansible_collections.airlift.registry.tests.integration.support import lab as labs
from ansible_collections.airlift.registry.tests.integration.support.lab import NAME, ROOT, Lab
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

GUIDE = (ROOT / "docs/guides/hosts-with-little.md").read_text()
INSTALLED = "~/.ansible/collections/ansible_collections/airlift/registry"
HOSTS = ("today", "debian11")
PLACE = "/var/lib/airlift/python"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Lab]:
    """Hosts whose Python has no Docker SDK, and none of what it needs."""
    fleet: dict[str, t.Any] = {"groups": ["fleet"]}
    spec = {"hosts": {"today": fleet, "debian11": {**fleet, "engine": "docker-20.10-bullseye"}}}
    file, name = tmp_path_factory.mktemp("bare") / "spec.json", f"{NAME}-bare"
    file.write_text(json.dumps(spec))
    try:
        state = labs.lab("up", name, "--spec", str(file)).strip().splitlines()[-1]
        for host in HOSTS:
            on(host, "dpkg --purge --force-depends python3-docker python3-requests python3-urllib3 >/dev/null 2>&1")
        yield Lab(Path(state))
    finally:
        labs.lab("down", name)


def on(host: str, command: str) -> str:
    done = subprocess.run(
        ["docker", "exec", f"airlift-{NAME}-bare-{host}", "sh", "-c", command],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def recap(said: str, host: str) -> str:
    return next(line for line in said.splitlines() if line.startswith(f"{host} ") and "ok=" in line)


def test_the_guide(bare: Lab, tiny: Path, signer: Signer, tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").symlink_to(bare.inventory)
    (tmp_path / "app.tar").symlink_to(tiny)
    shutil.copy(signer.allowed_signers, tmp_path / "allowed_signers")
    download, bring, again, preload, remove = (
        command.replace(INSTALLED, str(ROOT)) for command in documents.commands(GUIDE)
    )
    without = subprocess.run(["bash", "-c", preload], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert without.returncode != 0
    assert "bring its wheels with the playbook airlift.registry.prepare" in without.stdout
    documents.run(download, tmp_path)
    docker = next((tmp_path / "wheels").glob("docker-*.whl"))
    good = docker.read_bytes()
    docker.write_bytes(good + b"x")
    altered = subprocess.run(["bash", "-c", bring], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert altered.returncode != 0
    assert f"{docker} has another sha256 digest" in " ".join(altered.stdout.split())
    docker.write_bytes(good)
    for host in HOSTS:
        assert on(host, f"ls {PLACE} 2>/dev/null || true") == ""
    brought, repeated = documents.run(bring, tmp_path), documents.run(again, tmp_path)
    preloaded, second = documents.run(preload, tmp_path), documents.run(preload, tmp_path)
    for host in HOSTS:
        assert "changed=2" in recap(brought, host)
        assert "changed=0" in recap(repeated, host)
        assert "changed=1" in recap(preloaded, host)
        assert "changed=0" in recap(second, host)
        assert on(host, "docker images --format '{{.Repository}}:{{.Tag}}'") == "tiny:v1"
    documents.run(remove, tmp_path)
    for host in HOSTS:
        assert on(host, f"test -e {PLACE} || echo gone") == "gone"
        assert on(host, "pip list 2>/dev/null | grep -ci docker || true") in ("", "0")
