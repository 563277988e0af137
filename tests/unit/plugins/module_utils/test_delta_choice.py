# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Delta or layer: a table of what is at hand, what the host can do, and how fast the link is."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._delta_choice import (
    MEMORY_MARGIN,
    DeltaChoice,
    Offer,
    Verdict,
    Wish,
    work_seconds,
)
from ansible_collections.airlift.registry.plugins.module_utils._deltas import Delta
from ansible_collections.airlift.registry.plugins.module_utils._oci import digest_of

MB = 1_000_000
BASE, OTHER_BASE = digest_of(b"base"), digest_of(b"other base")
DELTA = Delta(
    digest=digest_of(b"layer"),
    size=20 * MB,
    diff_id=digest_of(b"content"),
    unpacked=80 * MB,
    base_diff_id=BASE,
    base_unpacked=80 * MB,
    bundle=digest_of(b"lock"),
    bundle_name="november.tar",
    delta=digest_of(b"delta"),
    delta_size=100_000,
    restore="gzip",
    memory=128 * MB,
)
FOREIGN = dataclasses.replace(DELTA, restore="")  # compressed by somebody whose compressor cannot be repeated
ABLE = {"tool": "xdelta3", "memory": 1000 * MB, "link_speed": 0, "work": False}
SLOW, FAST = 1_250_000, 125_000_000  # 10 Mbit/s and 1 Gbit/s
LARGE = {"id": "sha256:large", "layers": [BASE, OTHER_BASE], "engine_size": 200 * MB}
SMALL = {"id": "sha256:small", "layers": [BASE], "engine_size": 160 * MB}


def choice(
    delta: Delta = DELTA,
    is_only: bool = False,
    mode: str = "auto",
    given: int = 0,
    by_content: bool = True,
    images: t.Sequence[dict[str, t.Any]] = (SMALL,),
    failed: str = "",
    **host: t.Any,
) -> DeltaChoice:
    snapshot = {"deltas": {**ABLE, **host}, **({"deltas_failed": failed} if failed else {})}
    offers = {delta.digest: Offer(delta, is_only)}
    return DeltaChoice(offers, Wish(mode, given), snapshot, by_content, images)


def decide(left: int = DELTA.size, **facts: t.Any) -> Verdict:
    return choice(**facts).decide(DELTA.digest, left)


TAKEN: list[t.Any] = [
    pytest.param({}, "100000 bytes instead of 20000000, and the speed of the link is not known", id="nobody knows the link"),
    pytest.param({"given": SLOW}, "about 4.1 s with 4.0 s of work, instead of 16.0 s, at 1250000 bytes/s", id="a thin link"),
    pytest.param({"given": SLOW, "by_content": False}, "with 6.7 s of work", id="a thin link, and the blob is compressed again"),
    pytest.param({"link_speed": SLOW}, "at 1250000 bytes/s", id="a thin link, as an earlier run measured"),
    pytest.param({"link_speed": FAST, "given": SLOW}, "at 1250000 bytes/s", id="what the operator says of the link counts more"),
    pytest.param({"mode": "always", "given": FAST}, "deltas=always", id="always"),
    pytest.param({"is_only": True, "given": FAST}, "nothing but its delta", id="there is nothing else"),
    pytest.param({"delta": FOREIGN}, "100000 bytes instead of 20000000", id="its digest cannot be restored, and the engine goes by content"),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "reason"), TAKEN)
def test_takes_the_delta(facts: dict[str, t.Any], reason: str) -> None:
    verdict = decide(**facts)
    assert verdict.task is not None
    assert reason in verdict.reason


LEFT: list[t.Any] = [
    pytest.param({"given": FAST}, "no delta, because 100000 bytes instead of 20000000 would take about 4.0 s with 4.0 s of work, instead of 0.2 s", id="a fast link"),
    pytest.param({"left": 50_000}, "no fewer than the 50000 that are left", id="most of the layer is staged already"),
    pytest.param({"mode": "never", "is_only": True}, "deltas=never", id="never"),
    pytest.param({"failed": "its base is gone"}, "no delta, because its base is gone", id="it failed in this run"),
    pytest.param({"delta": FOREIGN, "by_content": False}, "its blob cannot be restored", id="its digest cannot be restored, and the engine goes by digests"),
    pytest.param({"images": []}, f"no image with its base {BASE}", id="no base"),
    pytest.param({"tool": "", "is_only": True}, "the host has no xdelta3 that runs", id="no xdelta3"),
    pytest.param({"memory": 100 * MB}, f"it takes {128 * MB + MEMORY_MARGIN} bytes of memory and 100000000 are free", id="too little memory"),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "reason"), LEFT)
def test_leaves_the_delta(facts: dict[str, t.Any], reason: str) -> None:
    verdict = decide(**facts)
    assert verdict.task is None
    assert reason in verdict.reason


def test_says_nothing_of_a_layer_without_a_delta() -> None:
    assert choice().decide(digest_of(b"another layer"), 100) == Verdict("")


@pytest.mark.parametrize(
    ("by_content", "restore", "result"),
    [
        pytest.param(True, "", DELTA.diff_id, id="by content: uncompressed, under its diffID"),
        pytest.param(False, "gzip", DELTA.digest, id="by digest: the blob that the manifest names"),
    ],
)
def test_the_host_is_told_what_to_make(by_content: bool, restore: str, result: str) -> None:
    assert decide(by_content=by_content).task == {
        "blob": DELTA.delta,
        "size": 100_000,
        "image": "sha256:small",
        "image_size": 160 * MB,
        "base": BASE,
        "base_size": 80 * MB,
        "content": DELTA.diff_id,
        "content_size": 80 * MB,
        "restore": restore,
        "result": result,
        "memory": 128 * MB,
    }


def test_the_base_comes_out_of_the_smallest_image_or_of_one_that_is_saved_anyway() -> None:
    second = dataclasses.replace(DELTA, digest=digest_of(b"second"), base_diff_id=OTHER_BASE)
    found = dataclasses.replace(choice(images=[LARGE, SMALL]), offers={d.digest: Offer(d) for d in (DELTA, second)})
    tasks = [found.decide(digest, DELTA.size).task for digest in (DELTA.digest, second.digest, DELTA.digest)]
    assert [task["image"] for task in tasks if task] == ["sha256:small", "sha256:large", "sha256:small"]


def test_what_is_saved_anyway_costs_no_time() -> None:
    assert work_seconds(DELTA, 160 * MB, is_restored=False) - work_seconds(DELTA, 0, is_restored=False) == 2.0
