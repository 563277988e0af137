# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The README, followed word for word on real hosts.

Every command of its console blocks is run, in the order in which a reader meets them. Three things are put in the reader's place: the hosts are the lab's,
the images of the reader's engine are the lab's under the names that the README uses, and the registry is called by its address.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.airlift.registry.tests.integration.support import documents

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
EXAMPLE = ROOT / "docs" / "examples" / "inventory.yml"
LAB = f"readme-{os.getpid()}"
TOPOLOGY = {
    "hosts": {
        "registry1": {"groups": ["registry"], "shared": True},
        "registry2": {"groups": ["registry"], "shared": True},
        "shop1": {"groups": ["fleet"]},
    }
}
# What the reader has in an engine, and what stands for it here.
IMAGES = {
    "app:1.0": "airlift-lab/app:v1",
    "registry:3.1.2": "airlift-lab/registry:3.1.2",
    "haproxy:3.0": "airlift-lab/haproxy:3.0",
}


def commands() -> list[str]:
    """The README's commands, in order; those of make have tests of their own."""
    return [line for line in documents.commands(README) if not line.startswith("make ")]


def test_blocks_hold_nothing_but_commands() -> None:
    lines = [line for block in documents.blocks(README, "console") for line in block.splitlines()]
    assert [line for line in lines if not line.startswith("$ ")] == []
    assert len(commands()) > 8


def test_inventory_is_the_example() -> None:
    example = EXAMPLE.read_text().removeprefix("---\n").rstrip()
    assert any(block.rstrip() == example for block in documents.blocks(README, "yaml"))


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^\$ make (\S+)$", README, re.MULTILINE)) | set(re.findall(r"`make ([a-z-]+)`", README))
    makefile = (ROOT / "Makefile").read_text()
    assert targets >= {"demo", "test"}
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Path]:
    """A reader's directory: an inventory like the example, of the lab's hosts, and the variables of publish."""
    directory = tmp_path_factory.mktemp("readme")
    (directory / "spec.json").write_text(json.dumps(TOPOLOGY))
    lab("image", "host", "registry", "haproxy", "app1")
    try:
        state = Path(lab("up", LAB, "--spec", str(directory / "spec.json")).strip().splitlines()[-1])
        inventory = merged(yaml.safe_load(EXAMPLE.read_text()), yaml.safe_load((state / "inventory.yml").read_text()))
        (directory / "inventory.yml").write_text(yaml.safe_dump(inventory))
        publish = next(block for block in documents.blocks(README, "yaml") if block.startswith("publish_registries"))
        address = inventory["all"]["vars"]["registry_virtual_ip"]
        (directory / "registries.yml").write_text(
            publish.replace("registry: registry.example.com", f"registry: {address}")
        )
        yield directory
    finally:
        lab("down", LAB)


def merged(example: dict[str, t.Any], lab_inventory: dict[str, t.Any]) -> dict[str, t.Any]:
    """The lab's hosts and groups with the variables of the example."""
    everything = lab_inventory["all"]
    variables = {**example["all"]["vars"], **everything["vars"], "client_hosts_entry": True}
    return {"all": {**everything, "vars": {**variables, "registry_virtual_ip": everything["vars"]["lab_virtual_ip"]}}}


def lab(*arguments: str) -> str:
    return subprocess.run(
        ["python3", str(ROOT / "molecule" / "resources" / "lab"), *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def in_place_of_the_reader(command: str, directory: Path) -> str:
    """The command with the images of the lab, and the checkout where the reader stands in it."""
    for name, source in IMAGES.items():
        command = command.replace(
            f'"docker-daemon:{name}"', json.dumps({"source": f"docker-daemon:{source}", "name": name})
        )
    if command == "ansible-galaxy collection install .":
        return f"ansible-galaxy collection install {ROOT} -p {directory}/collections"
    return command


def run(command: str, directory: Path) -> str:
    return documents.run(in_place_of_the_reader(command, directory), directory)


def test_commands_do_what_the_readme_says(site: Path) -> None:
    said = {command: run(command, site) for command in commands()}
    assert "Good" in next(output for command, output in said.items() if "ssh-keygen -Y verify" in command)
    assert json.loads(next(output for command, output in said.items() if "skopeo inspect" in command))["Digest"]
    assert "shop1" in (site / "report" / "index.html").read_text()
    again = run(
        next(command for command in commands() if "airlift.registry.preload" in command and "report" in command), site
    )
    assert re.search(r"shop1 .* changed=0 .* failed=0", again)
