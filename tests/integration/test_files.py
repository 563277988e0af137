# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a configuration, written together onto a disk that is full: none of them changes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ansible_collections.airlift.registry.tests.integration.support.play import Ansible


def test_a_full_disk_leaves_every_file_as_it_was(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.yml"
    inventory.write_text("localhost:\n")
    ansible, place = Ansible(inventory, tmp_path), tmp_path / "place"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(place)], check=True)
    try:
        (place / "conf").write_text("one\n")
        files = [
            {"dest": str(place / "conf"), "content": "two\n"},
            {"dest": str(place / "large"), "secret": "x" * 100_000},
        ]
        failed = ansible.local("files", {"files": files})
        assert "No space left on device" in failed["problem"]
        assert "Make room" in failed["next_step"]
        assert {path.name: path.read_text() for path in place.iterdir()} == {"conf": "one\n"}
    finally:
        subprocess.run(["umount", str(place)], check=True)
