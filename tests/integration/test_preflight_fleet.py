# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Eight hosts of which two are down, one has Docker 20.10, and one the containerd image store."""

from __future__ import annotations

import json
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _bundle_writer
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.integration.conftest import TINY, brought_up
from ansible_collections.airlift.registry.tests.integration.support import lab as labs
from ansible_collections.airlift.registry.tests.integration.support.lab import Lab
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

OLD, CONTAINERD, DOWN = "ship1", "ship2", ("ship4", "ship7")
SHIPS = [f"ship{number}" for number in range(1, 9)]
UP = [ship for ship in SHIPS if ship not in DOWN]
ENGINES = {OLD: {"engine": "docker-20.10"}, CONTAINERD: {"engine": "docker-28.5-containerd"}}
SPEC = {"hosts": {ship: {"groups": ["fleet"], **ENGINES.get(ship, {})} for ship in SHIPS}}


@pytest.fixture(scope="module")
def ships(directory: Path) -> t.Iterator[Lab]:
    for lab in brought_up(f"{labs.NAME}-s", SPEC, directory):
        # With AIRLIFT_KEEP_LAB they may be ones that have been preloaded.
        for ship in UP:
            lab.clean(ship)
        subprocess.run(["docker", "kill", *(f"airlift-{lab.name}-{ship}" for ship in DOWN)], check=True)
        yield lab


def preload(ships: Lab, tiny: Path, signer: Signer, **variables: str) -> tuple[int, str]:
    wanted = {"preload_bundle": str(tiny), "preload_allowed_signers": str(signer.allowed_signers), **variables}
    command = ["ansible-playbook", "-i", str(ships.inventory), "airlift.registry.preload", "-e", json.dumps(wanted)]
    done = subprocess.run([*command, "--forks", "8"], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def recap(said: str) -> dict[str, str]:
    return {line.split()[0]: line for line in said.partition("PLAY RECAP")[2].splitlines() if " : " in line}


def test_the_six_others_are_preloaded_by_choice(ships: Lab, tiny: Path, signer: Signer) -> None:
    """First without the choice: nothing happens. Then with it, in batches of three, and again."""
    code, said = preload(ships, tiny, signer)
    assert (code, "2 of 8 hosts cannot take the images. No host was changed." in said) == (2, True), said
    assert all(f"{ship}: It was not reached: " in said for ship in DOWN)
    assert [ships.images(ship) for ship in UP] == [{}] * 6
    for change in (1, 0):
        code, said = preload(ships, tiny, signer, preload_on_refusal="skip", preload_serial="3")
        lines = recap(said)
        assert (code, "2 of 8 hosts cannot take the images. The others go on" in said) == (2, True), said
        assert [f"changed={change} " in lines[ship] for ship in UP] == [True] * 6, said
        assert ["failed=1 " in lines[ship] for ship in DOWN] == [True] * 2, said
    assert [list(ships.images(ship)) for ship in UP] == [[TINY.removeprefix("docker.io/library/")]] * 6


def test_engines_say_before_the_first_byte_what_they_cannot_load(ships: Lab, signer: Signer, tmp_path: Path) -> None:
    """Docker 20.10 knows no zstd. The others do, and take an image that the machine does not run."""
    name = "docker.io/library/odd:v1"
    with _bundle_writer.work_directory(str(tmp_path / "odd")) as work:
        store = BlobStore(work, "zstd")
        packed = [bundles.pack(store, name, [images.layer("odd")], architecture="arm64")]
        _bundle_writer.write_bundle(store, packed, str(tmp_path / "odd"), str(signer.key), run_program)
    (tmp_path / "plays").mkdir()
    trust = {"path": [str(tmp_path / "odd")], "allowed_signers": str(signer.allowed_signers)}
    before = ships.look(OLD)
    others = (CONTAINERD, UP[-1])
    play = Ansible(ships.inventory, tmp_path / "plays").module(
        ",".join((OLD, *others)), "image_preload", {**trust, "platform": "linux/arm64"}
    )
    assert [reason["kind"] for reason in play[OLD]["reasons"]] == ["compression"]
    assert play[OLD]["problem"].startswith(f"Image {name} is compressed with zstd, which Docker 20.10.")
    assert "compression=gzip" in play[OLD]["next_step"]
    assert ships.look(OLD) == before
    assert [(play[ship]["changed"], "odd:v1" in ships.images(ship)) for ship in others] == [(True, True)] * 2
