# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which wheels are believed: they run as code, often as root's."""

from __future__ import annotations

import os
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _sdk


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "airlift" / "python"
    place.mkdir(parents=True)
    (place / "docker-7-py3-none-any.whl").touch(0o644)
    (place / "notes.txt").touch(0o644)
    for directory in (place.parent, place):
        directory.chmod(0o755)
    return place


def test_the_wheels_of_our_own_place(place: Path) -> None:
    assert _sdk.wheels(str(place)) == [str(place / "docker-7-py3-none-any.whl")]


def open_to_all(path: Path) -> None:
    path.chmod(0o777)


def of_another_user(path: Path) -> None:
    os.chown(path, 4321, 4321)


def replaced_by_a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere.whl"))
    path.symlink_to("elsewhere.whl")


@pytest.mark.parametrize("change", [open_to_all, of_another_user, replaced_by_a_link])
@pytest.mark.parametrize("what", ["..", ".", "docker-7-py3-none-any.whl"])
def test_nothing_that_others_may_have_put_there(place: Path, change: t.Callable[[Path], None], what: str) -> None:
    change((place / what).resolve())
    assert _sdk.wheels(str(place)) == []


def test_no_place_no_wheels(tmp_path: Path) -> None:
    assert _sdk.wheels(str(tmp_path / "none" / "python")) == []


def test_why_there_is_no_sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sys.modules",
        {name: module for name, module in sys.modules.items() if name.partition(".")[0] != "docker"},
    )
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    monkeypatch.setattr(
        "sys.meta_path",
        [finder for finder in sys.meta_path if getattr(finder, "__name__", "") == "PathFinder"],
    )
    assert _sdk.find(str(tmp_path / "none"))[2] == "No module named 'docker'"
