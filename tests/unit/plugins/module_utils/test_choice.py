# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which manifests are taken by platform, and what the name means then."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._choice import choose
from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, InputError

NAMES = ("linux/amd64", "linux/arm64/v8", "linux/arm/v6", "linux/arm/v7", _oci.NO_PLATFORM)


def descriptor(number: int) -> dict[str, t.Any]:
    return {"mediaType": _oci.OCI_MANIFEST, "digest": f"sha256:{number:064}", "size": 7}


INDEX = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": _oci.OCI_INDEX,
        "annotations": {"by": "builder"},
        "manifests": [
            {**descriptor(number), "platform": _oci.split_platform(name), "annotations": {"number": str(number)}}
            for number, name in enumerate(NAMES)
        ],
    },
    indent=2,
).encode()
MANIFEST = _oci.image_manifest(
    _oci.Descriptor(_oci.OCI_CONFIG, f"sha256:{1:064}", 7), [_oci.Descriptor(_oci.OCI_LAYER_GZIP, f"sha256:{2:064}", 7)]
)


@pytest.mark.parametrize(
    ("platforms", "taken"),
    [
        pytest.param(["linux/amd64"], [0], id="one"),
        pytest.param(["linux/arm64"], [1], id="one whose variant is not said"),
        pytest.param(["linux/arm/v7"], [3], id="one whose variant is said"),
        pytest.param(["linux/arm"], [2], id="the first that will do"),
        pytest.param(["linux/arm64", "linux/amd64"], [1, 0], id="some"),
        pytest.param(["linux/arm64", "linux/arm64/v8", "linux/amd64"], [1, 0], id="the same twice"),
        pytest.param(["all"], [0, 1, 2, 3, 4], id="all"),
        pytest.param(list(NAMES[:4]), [0, 1, 2, 3, 4], id="all by name"),
    ],
)
def test_takes(platforms: list[str], taken: list[int]) -> None:
    choice = choose(INDEX, platforms, "app")
    assert [entry.descriptor.digest for entry in choice.entries] == [descriptor(number)["digest"] for number in taken]
    if len(taken) == len(NAMES):
        assert choice.index == INDEX
    elif len(taken) == 1:
        assert choice.index == b""
    else:
        before, after = json.loads(INDEX), json.loads(choice.index)
        assert after.pop("manifests") == [before["manifests"][number] for number in sorted(taken)]
        assert after == {key: value for key, value in before.items() if key != "manifests"}


@pytest.mark.parametrize("platforms", [["linux/amd64"], ["linux/amd64", "linux/arm64"], ["all"]])
def test_a_manifest_is_what_there_is(platforms: list[str]) -> None:
    choice = choose(MANIFEST, platforms, "app")
    assert ([entry.descriptor.digest for entry in choice.entries], choice.index) == ([_oci.digest_of(MANIFEST)], b"")


def test_says_what_there_is_instead() -> None:
    with pytest.raises(InputError, match="app has no image for linux/riscv64") as error:
        choose(INDEX, ["linux/amd64", "linux/riscv64"], "app")
    assert "linux/amd64, linux/arm/v6, linux/arm/v7, linux/arm64/v8" in error.value.next_step


@pytest.mark.parametrize(
    "data", [b"[]", b"{}", b"\xff", b'{"manifests": []}', b'{"manifests": 7}', INDEX.replace(b"2\n", b"2")[:-1]]
)
def test_refuses_what_is_neither(data: bytes) -> None:
    with pytest.raises(AirliftError, match="app"):
        choose(data, ["all"], "app")
