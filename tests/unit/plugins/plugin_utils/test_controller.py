# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of tasks on the controller: lists however they were written, paths from where the operator stands."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.plugin_utils._controller import as_list, on_controller


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, []), ("", []), ("a", ["a"]), ("a,b", ["a", "b"]), (["a", "b"], ["a", "b"]), (("a",), ["a"])],
)
def test_a_list_as_ansible_takes_it(value: t.Any, expected: list[str]) -> None:
    assert as_list(value) == expected


def test_a_path_is_meant_from_where_the_operator_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ops")
    monkeypatch.setenv("STICK", "/media/stick")
    paths = ["a.tar", "/a.tar", "~/a.tar", "$STICK/a.tar"]
    assert [on_controller(path) for path in paths] == [
        f"{tmp_path}/a.tar", "/a.tar", "/home/ops/a.tar", "/media/stick/a.tar"
    ]  # fmt: skip
