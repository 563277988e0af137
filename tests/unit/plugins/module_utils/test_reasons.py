# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reasons for which a bundle is made again."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._lock import LockedImage
from ansible_collections.airlift.registry.plugins.module_utils._reasons import (
    differences,
    noted_options,
    option_differences,
    taken_differences,
)
from ansible_collections.airlift.registry.plugins.module_utils._source import parse_wanted

ID, OTHER_ID = "sha256:" + "1" * 64, "sha256:" + "2" * 64
LOCK = LockedImage(
    "host.example/app:1", "linux/amd64", ID, ID, 7, "2026-01-02T03:04:05Z", "docker://host.example/app:1", ID
)
DAEMON = dataclasses.replace(LOCK, name="docker.io/library/app:1", source="docker-daemon:app:1")


@pytest.mark.parametrize(
    ("before", "value", "source_id", "reasons"),
    [
        pytest.param([LOCK], "docker://host.example/app:1", ID, [], id="nothing has changed"),
        pytest.param(
            [LOCK],
            "docker://host.example/app:1",
            OTHER_ID,
            ["host.example/app:1 has changed at its source"],
            id="another image",
        ),
        pytest.param(
            [LOCK],
            "docker://host.example/app:2",
            ID,
            ["host.example/app:2 is not in it", "host.example/app:1 is in it and not wanted"],
            id="another name",
        ),
        pytest.param(
            [LOCK],
            {"source": "docker://mirror.example/app:1", "name": "host.example/app:1"},
            ID,
            ["host.example/app:1 has changed at its source"],
            id="another source",
        ),
        pytest.param(
            [LOCK],
            {"source": "docker://host.example/app:1", "platforms": ["linux/arm64"]},
            ID,
            ["host.example/app:1 is for linux/amd64 in it, and linux/arm64 is wanted"],
            id="another platform of an index",
        ),
        pytest.param(
            [dataclasses.replace(LOCK, platform="linux/arm64/v8")],
            {"source": "docker://host.example/app:1", "platforms": ["linux/arm64"]},
            ID,
            [],
            id="a variant that nobody asked for",
        ),
        pytest.param(
            [dataclasses.replace(DAEMON, platform="linux/arm64")],
            "docker-daemon:app:1",
            ID,
            [],
            id="an engine has one platform",
        ),
        pytest.param(
            [dataclasses.replace(LOCK, index=ID), dataclasses.replace(LOCK, index=ID, platform="linux/arm64/v8")],
            {"source": "docker://host.example/app:1", "platforms": ["linux/arm64", "linux/amd64"]},
            ID,
            [],
            id="the same platforms",
        ),
        pytest.param(
            [dataclasses.replace(LOCK, index=ID), dataclasses.replace(LOCK, index=ID, platform="linux/arm64/v8")],
            {"source": "docker://host.example/app:1", "platforms": ["all"]},
            ID,
            [],
            id="all platforms",
        ),
        pytest.param(
            [
                dataclasses.replace(LOCK, index=OTHER_ID, digest=OTHER_ID),
                dataclasses.replace(LOCK, index=OTHER_ID, digest=OTHER_ID, platform="linux/arm64"),
            ],
            {"source": "docker://host.example/app:1", "platforms": ["all"]},
            ID,
            ["host.example/app:1 is for linux/amd64, linux/arm64 in it, and all is wanted"],
            id="all platforms instead of some",
        ),
        pytest.param(
            [dataclasses.replace(LOCK, index=ID), dataclasses.replace(LOCK, index=ID, platform="linux/arm64")],
            "docker://host.example/app:1",
            ID,
            ["host.example/app:1 is for linux/amd64, linux/arm64 in it, and linux/amd64 is wanted"],
            id="one platform instead of several",
        ),
        pytest.param(
            [dataclasses.replace(LOCK, index=ID)],
            "docker://host.example/app:1",
            ID,
            ["host.example/app:1 is for linux/amd64 in it, and linux/amd64 is wanted"],
            id="a manifest instead of an index",
        ),
        pytest.param([], "docker://host.example/app:1", ID, [], id="no bundle, which is a reason of its own"),
    ],
)
def test_reasons(before: list[LockedImage], value: t.Any, source_id: str, reasons: list[str]) -> None:
    assert differences(before, {parse_wanted(value, "linux/amd64"): source_id}) == reasons


DEFAULTS = {"compression": "gzip", "layer_reuse": "content", "parallel": 4}


@pytest.mark.parametrize(
    ("before", "now", "reasons"),
    [
        pytest.param({}, {}, [], id="defaults"),
        pytest.param({}, {"parallel": 9}, [], id="what makes no difference"),
        pytest.param({}, {"compression": "zstd"}, ["compression was gzip, and is zstd"], id="set"),
        pytest.param({"layer_reuse": "digest"}, {}, ["layer_reuse was digest, and is content"], id="not set any more"),
        pytest.param({"compression": "zstd"}, {"compression": "zstd"}, [], id="set as before"),
    ],
)
def test_options(before: dict[str, t.Any], now: dict[str, t.Any], reasons: list[str]) -> None:
    noted = [noted_options({**DEFAULTS, **options}) for options in (before, now)]
    assert option_differences(*noted) == reasons


ARM = dataclasses.replace(LOCK, platform="linux/arm64")


@pytest.mark.parametrize(
    ("before", "taken", "reasons"),
    [
        pytest.param([LOCK], [LOCK], [], id="nothing has changed"),
        pytest.param([LOCK, ARM], [ARM, LOCK], [], id="two platforms in any order"),
        pytest.param([DAEMON], [LOCK], [f"{LOCK.name} is not in it"], id="another name"),
        pytest.param([LOCK], [LOCK, ARM], [f"{LOCK.name} is another image in it"], id="a platform more"),
        pytest.param(
            [LOCK],
            [dataclasses.replace(LOCK, digest=OTHER_ID)],
            [f"{LOCK.name} is another image in it"],
            id="another image",
        ),
        pytest.param([LOCK, DAEMON], [LOCK], [], id="what does not come from a bundle does not count"),
    ],
)
def test_reasons_of_images_that_come_from_bundles(
    before: list[LockedImage], taken: list[LockedImage], reasons: list[str]
) -> None:
    assert taken_differences(before, taken) == reasons
