# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parts: as large as the link is fast, each taken once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _layout
from ansible_collections.airlift.registry.plugins.plugin_utils._push_parts import LEAST, MOST, Parts
from ansible_collections.airlift.registry.plugins.plugin_utils._transport import Blob

MB = 1_000_000


def blob(tmp_path: Path, digest: str, size: int, offset: int = 0) -> Blob:
    return Blob(digest, size, offset, _layout.open_files(str(tmp_path)))


@pytest.mark.parametrize(
    ("rate", "limit", "lengths"),
    [
        pytest.param(MB / 8, 0, [LEAST] * 5, id="1 Mbit per second"),
        pytest.param(MB, 0, [LEAST, *[2 * MB] * 4], id="8 Mbit per second"),
        pytest.param(100 * MB, 0, [LEAST, *[MOST] * 4], id="a free link"),
        pytest.param(100 * MB, 3 * MB, [LEAST, *[3 * MB] * 4], id="a limit"),
        pytest.param(100 * MB, 1000, [1000] * 5, id="a small limit"),
    ],
)
def test_parts_are_worth_two_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: float, limit: int, lengths: list[int]
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    parts = Parts([blob(tmp_path, "a", 10**10)], limit)
    found = []
    for _number in range(5):
        part = parts.take()
        assert part
        found.append(part.length)
        now[0] += part.length / rate
        parts.done(part)
    assert found == pytest.approx(lengths, abs=1)


def test_each_byte_is_in_one_part_and_blobs_are_whole_once(tmp_path: Path) -> None:
    blobs = [blob(tmp_path, "a", LEAST + 7, 7), blob(tmp_path, "there", 5, 5), blob(tmp_path, "b", 2 * LEAST + 1)]
    parts = Parts(blobs, LEAST)
    assert [found.digest for found in parts.whole()] == ["there"]
    taken = [parts.take() for _number in range(4)]
    assert [part and part[1:] for part in taken] == [(7, LEAST), (0, LEAST), (LEAST, LEAST), (2 * LEAST, 1)]
    assert parts.take() is None
    for part in reversed(taken):
        assert part
        parts.done(part)
    assert [found.digest for found in parts.whole()] == ["b", "a"]
    assert parts.whole() == []


def test_a_failure_is_the_end_for_all(tmp_path: Path) -> None:
    parts = Parts([blob(tmp_path, "a", 10)], 0)
    parts.raise_failure()
    parts.fail(ValueError("first"))
    parts.fail(ValueError("second"))
    for ask in (parts.take, parts.raise_failure):
        with pytest.raises(ValueError, match="first"):
            ask()
