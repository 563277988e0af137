# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The speed of the link, noted beside the record."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._link_speed import note_link_speed, read_link_speed


def test_is_read_as_it_was_noted_last(tmp_path: Path) -> None:
    record = str(tmp_path / "airlift" / "preloaded.json")
    assert read_link_speed(record) == 0
    for speed in (1_250_000, 125_000_000):
        note_link_speed(record, speed)
        assert read_link_speed(record) == speed
    assert os.listdir(tmp_path / "airlift") == ["preloaded.json.link"]


@pytest.mark.parametrize("text", ["", "fast", "-5", "1e9", "9" * 16, "12 34"])
def test_what_is_no_speed_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "preloaded.json.link").write_text(text)
    assert read_link_speed(str(tmp_path / "preloaded.json")) == 0


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("5")
    (tmp_path / "preloaded.json.link").symlink_to(tmp_path / "elsewhere")
    assert read_link_speed(str(tmp_path / "preloaded.json")) == 0
