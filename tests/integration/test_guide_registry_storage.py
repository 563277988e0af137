# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide to a registry's storage: its command against a real Garage. The molecule scenario garage deploys what it says of Garage."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ansible_collections.airlift.registry.tests.integration.support import documents
from ansible_collections.airlift.registry.tests.integration.support.garage import BUCKET, REGION, Store, garage_store
from ansible_collections.airlift.registry.tests.integration.support.lab import ROOT

GUIDE = (ROOT / "docs/guides/registry-storage.md").read_text()
PLAYBOOKS_OWN = {"registry_object_store", "object_store_image", "cache_image", "registry_image"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with garage_store(tmp_path_factory.mktemp("garage")) as store:
        yield store


def of_the_test(command: str, store: Store) -> str:
    """The command with the store of the test in place of the site's."""
    names = {
        "https://s3.example.com": store.address, "eu-central-1": REGION, "bucket=images": f"bucket={BUCKET}",
        "access_key=registry": f"access_key={store.key_id}",
    }  # fmt: skip
    for name, meant in names.items():
        assert name in command
        command = command.replace(name, meant)
    return command


def test_the_store_is_asked(store: Store, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/bucket").write_text(f"{store.secret}\n")
    (tmp_path / "inventory.yml").write_text(
        "registry: {hosts: {node: {ansible_connection: local, ansible_python_interpreter: '{{ ansible_playbook_python }}'}}}"
    )
    (command,) = documents.commands(GUIDE)
    said = documents.run(of_the_test(command, store), tmp_path)
    answer = json.loads(said[said.index("{") :])
    assert [entry["problem"] for entry in answer["operations"]] == [""] * 11
    assert store.secret not in said


def options(role: str) -> dict[str, t.Any]:
    specs = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())
    found: dict[str, t.Any] = specs["argument_specs"]["main"]["options"]
    return found


def test_every_variable_exists() -> None:
    known = {**options("registry"), **options("object_store"), **options("cache")}
    variables = [block for block in map(yaml.safe_load, documents.blocks(GUIDE, "yaml")) if isinstance(block, dict)]
    shown = {key: value for block in variables for key, value in block.items()}
    assert sorted(set(shown) - set(known) - PLAYBOOKS_OWN) == []
    assert sorted(set(shown["registry_storage"]) - set(known["registry_storage"]["options"])) == []
