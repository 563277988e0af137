# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bundle module: the reasons for which a bundle is made again."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._sources import parse_wanted
from ansible_collections.airlift.registry.plugins.modules import bundle

ID, OTHER_ID = "sha256:" + "1" * 64, "sha256:" + "2" * 64
LOCK = {
    "name": "host.example/app:1",
    "source": "docker://host.example/app:1",
    "source_id": ID,
    "platform": "linux/amd64",
}
DAEMON = {**LOCK, "name": "docker.io/library/app:1", "source": "docker-daemon:app:1"}


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
            [{**LOCK, "platform": "linux/arm64/v8"}],
            {"source": "docker://host.example/app:1", "platforms": ["linux/arm64"]},
            ID,
            [],
            id="a variant that nobody asked for",
        ),
        pytest.param(
            [{**DAEMON, "platform": "linux/arm64"}], "docker-daemon:app:1", ID, [], id="an engine has one platform"
        ),
        pytest.param([], "docker://host.example/app:1", ID, [], id="no bundle, which is a reason of its own"),
    ],
)
def test_reasons(before: list[dict[str, t.Any]], value: t.Any, source_id: str, reasons: list[str]) -> None:
    assert bundle._differences(before, {parse_wanted(value, "linux/amd64"): source_id}) == reasons


def test_refuses_one_name_for_two_images() -> None:
    wanted = [parse_wanted(value, "linux/amd64") for value in ("docker-daemon:app:1", "docker-daemon:library/app:1")]
    with pytest.raises(InputError, match="docker.io/library/app:1 is in the list of images more than once"):
        bundle._refuse_duplicates(wanted)
