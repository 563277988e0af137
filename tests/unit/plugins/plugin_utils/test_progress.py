# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Progress: what is told, and when."""

from __future__ import annotations

import time

import pytest

from ansible_collections.airlift.registry.plugins.plugin_utils._progress import Progress, Reading, progress_line

MB = 1_000_000


@pytest.mark.parametrize(
    ("sent", "total", "rate", "line"),
    [
        pytest.param(25 * MB, 100 * MB, 5 * MB, "host1: 25.0 of 100.0 MB (25 %), 5.0 MB/s, 15 s left", id="on its way"),
        pytest.param(0, 100 * MB, 0, "host1: 0.0 of 100.0 MB (0 %), 0.0 MB/s, waiting", id="nothing yet"),
        pytest.param(100 * MB, 100 * MB, 10 * MB, "host1: 100.0 of 100.0 MB (100 %), 10.0 MB/s, done", id="done"),
        pytest.param(0, 0, 0, "host1: 0.0 of 0.0 MB (100 %), 0.0 MB/s, done", id="nothing to do"),
    ],
)
def test_one_line(sent: int, total: int, rate: float, line: str) -> None:
    assert progress_line("host1", sent, total, rate) == line


def test_says_something_now_and_then_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    readings: list[Reading] = []
    progress = Progress("host1", 10 * MB, readings.append)
    progress.waste(7)
    for _part in range(10):
        now[0] += 0.4
        progress.advance(MB)
    assert [(reading.sent // MB, reading.wasted) for reading in readings] == [(3, 7), (6, 7), (9, 7), (10, 7)]
    assert [round(reading.rate / MB, 2) for reading in readings] == [2.5] * 4
    assert progress.sent == 10 * MB


def test_no_time_has_passed() -> None:
    assert Reading("host1", 5, 10, 0, 0.0).rate == 0
