# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection says of itself is true."""

from __future__ import annotations

import re
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
GALAXY: dict[str, t.Any] = yaml.safe_load((ROOT / "galaxy.yml").read_text())
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("[!_]*.py"))
ACTIONS = sorted(path.stem for path in (ROOT / "plugins" / "action").glob("[!_]*.py"))


def project_files(*patterns: str) -> list[Path]:
    """The files that git knows or would take, so that no cache and no environment is looked at."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    paths = [ROOT / name for name in listing.stdout.split("\0") if name]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_has_its_module(action: str) -> None:
    assert action in MODULES, "Ansible takes the documentation and the options of an action from the module of its name"


def test_dependencies_are_those_in_use() -> None:
    """A dependency nobody uses costs every user a download; one that is missing breaks the first run."""
    used: set[str] = set()
    for path in project_files("plugins", "roles", "playbooks"):
        used.update(re.findall(r"\b((?:ansible|community)\.(?:posix|crypto|docker|general))\.\w+", path.read_text()))
    assert used == set(GALAXY["dependencies"])


def test_modules_are_new_in_a_version_that_exists() -> None:
    late = {}
    for name in MODULES:
        text = (ROOT / "plugins" / "modules" / f"{name}.py").read_text()
        for version in re.findall(r"^ *version_added: *[\"']?([\d.]+)", text, re.MULTILINE):
            if as_numbers(version) > as_numbers(GALAXY["version"]):
                late[name] = version
    assert late == {}


def as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


@pytest.mark.parametrize("path", project_files("*.py"), ids=lambda path: str(path.relative_to(ROOT)))
def test_python_file_names_its_license(path: Path) -> None:
    head = path.read_text()[:500]
    assert not head or "SPDX-License-Identifier: GPL-3.0-or-later" in head


def test_lock_file_knows_no_machine() -> None:
    lock = (ROOT / "requirements" / "dev.lock").read_text()
    assert re.findall(r"^(?:--|-f|-i|.*(?:file:|/home/|/root/|/tmp/)).*$", lock, re.MULTILINE) == []


def test_lock_file_holds_what_is_asked_for() -> None:
    wanted = re.findall(r"^([A-Za-z][\w.-]*)", (ROOT / "requirements" / "dev.in").read_text(), re.MULTILINE)
    locked = set(re.findall(r"^([a-z][\w.-]*)==", (ROOT / "requirements" / "dev.lock").read_text(), re.MULTILINE))
    assert [name for name in wanted if name.lower() not in locked] == []
