# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every role has the same skeleton, and its documented variables are those that it has."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
SKELETON = (
    "README.md",
    "defaults/main.yml",
    "meta/argument_specs.yml",
    "meta/main.yml",
    "tasks/main.yml",
    "tasks/preflight.yml",
)

pytestmark = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def load(path: Path) -> t.Any:
    return yaml.safe_load(path.read_text()) or {}


def main_options(role: Path) -> dict[str, dict[str, t.Any]]:
    options: dict[str, dict[str, t.Any]] = load(role / "meta/argument_specs.yml")["argument_specs"]["main"].get(
        "options", {}
    )
    return options


def is_template(value: object) -> bool:
    return isinstance(value, str) and "{{" in value


def test_has_the_skeleton(role: Path) -> None:
    assert [name for name in SKELETON if not (role / name).is_file()] == []


def first_step(role: Path, name: str) -> str:
    """The file that a task file goes to first, through however many tables of contents."""
    task = load(role / "tasks" / name)[0]
    while "block" in task:
        task = task["block"][0]
    for action in ("ansible.builtin.import_tasks", "ansible.builtin.include_tasks"):
        if action in task:
            return str(task[action])
    return ""


def test_starts_with_preflight(role: Path) -> None:
    step = first_step(role, "main.yml")
    while step not in ("", "preflight.yml"):
        step = first_step(role, step)
    assert step == "preflight.yml", "Nothing may come before the checks of preflight.yml"


def test_defaults_are_documented(role: Path) -> None:
    assert sorted(set(load(role / "defaults/main.yml")) - set(main_options(role))) == []


def test_options_have_defaults(role: Path) -> None:
    """An option without a default must be required; what is neither would be undefined in the role."""
    optional = {name for name, option in main_options(role).items() if not option.get("required")}
    assert sorted(optional - set(load(role / "defaults/main.yml"))) == []


def test_documented_defaults_are_true(role: Path) -> None:
    """A default that is computed may be left out of the documentation, in favour of words."""
    defaults = load(role / "defaults/main.yml")
    wrong = {
        name: (option.get("default"), defaults[name])
        for name, option in main_options(role).items()
        if name in defaults and option.get("default") != defaults[name]
        if not (is_template(defaults[name]) and "default" not in option)
    }
    assert wrong == {}, "name: (in argument_specs, in defaults)"


def test_variables_carry_the_role_as_prefix(role: Path) -> None:
    assert [name for name in main_options(role) if not name.startswith(f"{role.name}_")] == []
