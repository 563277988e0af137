# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Platforms: what a machine is, what it runs, and which image of several it gets."""

from __future__ import annotations

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _platform
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._image import Image
from ansible_collections.airlift.registry.plugins.module_utils._oci import (
    OCI_CONFIG,
    OCI_MANIFEST,
    Descriptor,
    digest_of,
)

APP, TOOL = "docker.io/library/app:v1", "docker.io/library/tool:v1"


def image(platform: str, name: str = APP) -> Image:
    blob = digest_of(f"{name} {platform}".encode())
    return Image(name, Descriptor(OCI_MANIFEST, blob, 1), Descriptor(OCI_CONFIG, blob, 1), platform, "", ())


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ("x86_64", "linux/amd64"), ("amd64", "linux/amd64"), ("aarch64", "linux/arm64"), ("armv6l", "linux/arm/v6"), ("armv7l", "linux/arm/v7"),
        ("armv8l", "linux/arm/v8"), ("i686", "linux/386"), ("ppc64le", "linux/ppc64le"), ("s390x", "linux/s390x"), ("riscv64", "linux/riscv64"),
    ],
)  # fmt: skip
def test_machines_as_their_kernels_name_them(machine: str, expected: str) -> None:
    assert _platform.of_machine("linux", machine) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linux/amd64", "linux/amd64"), ("Linux/AMD64", "linux/amd64"), ("linux/amd64/v1", "linux/amd64"), ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/arm64/v8", "linux/arm64"), ("linux/arm64/8", "linux/arm64"), ("linux/arm64/v9", "linux/arm64/v9"), ("linux/arm", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"), ("linux/arm/v6", "linux/arm/v6"), ("linux/armhf", "linux/arm/v7"), ("linux/armel", "linux/arm/v6"),
        ("windows/amd64", "windows/amd64"),
    ],
)  # fmt: skip
def test_one_spelling(text: str, expected: str) -> None:
    assert _platform.parse_platform(text) == expected


@pytest.mark.parametrize(
    "text", ["amd64", "linux/", "/amd64", "linux/arm/v7/x", "linux amd64", "linux/arm64,linux/amd64", "linux/../x"]
)
def test_what_is_no_platform(text: str) -> None:
    with pytest.raises(InputError, match="is no platform") as error:
        _platform.parse_platform(text)
    assert "linux/arm64" in error.value.next_step


@pytest.mark.parametrize(
    ("machine", "images", "expected"),
    [
        pytest.param("linux/amd64", ["linux/amd64"], "linux/amd64", id="the only one"),
        pytest.param("linux/amd64", ["linux/arm64", "linux/amd64"], "linux/amd64", id="one of two"),
        pytest.param("linux/amd64", ["windows/amd64", "linux/amd64"], "linux/amd64", id="one of two systems"),
        pytest.param("linux/amd64", ["linux/amd64/v1"], "linux/amd64/v1", id="another spelling"),
        pytest.param("linux/amd64", ["linux/386", "linux/amd64"], "linux/amd64", id="64 bits before 32"),
        pytest.param("linux/amd64", ["linux/386"], "linux/386", id="32 bits rather than nothing"),
        pytest.param("linux/amd64", ["linux/amd64/v3", "linux/amd64"], "linux/amd64", id="not what the machine may lack"),
        pytest.param("linux/amd64", ["linux/amd64/v3"], "", id="not even when there is nothing else"),
        pytest.param("linux/amd64/v3", ["linux/amd64", "linux/amd64/v2"], "linux/amd64/v2", id="the next lower level"),
        pytest.param("linux/386", ["linux/amd64"], "", id="no 64 bits on 32"),
        pytest.param("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"], "linux/arm/v6", id="the next older ARM"),
        pytest.param("linux/arm/v7", ["linux/arm/v6", "linux/arm"], "linux/arm", id="ARM without a variant is v7"),
        pytest.param("linux/arm/v6", ["linux/arm/v7", "linux/arm64"], "", id="no newer ARM"),
        pytest.param("linux/arm64", ["linux/arm64/v8"], "linux/arm64/v8", id="64 bit ARM with its variant"),
        pytest.param("linux/arm64", ["linux/arm/v6", "linux/arm/v7"], "linux/arm/v7", id="32 bit ARM on 64 bits"),
        pytest.param("linux/arm64/v9", ["linux/arm64"], "linux/arm64", id="an older 64 bit ARM"),
        pytest.param("linux/s390x", ["linux/amd64"], "", id="something else"),
    ],
)  # fmt: skip
def test_the_image_that_suits_best(machine: str, images: list[str], expected: str) -> None:
    for order in (images, images[::-1]):
        chosen, others = _platform.for_platform([image(platform) for platform in order], machine)
        assert [found.platform for found in chosen] == ([expected] if expected else [])
        assert others == ({} if expected else {APP: order})


@pytest.mark.parametrize(
    ("store", "platform", "expected"),
    [
        pytest.param("containerd", "linux/amd64", "", id="the machine's own"),
        pytest.param("containerd", "linux/386", "", id="what the machine runs too"),
        pytest.param("containerd", "linux/arm64", "linux/arm64", id="another"),
        pytest.param("graph", "linux/arm64", "", id="another, and a store that unpacks all"),
    ],
)
def test_which_platform_an_engine_must_be_told(store: str, platform: str, expected: str) -> None:
    assert _platform.platform_to_unpack(platform, {"store": store, "platform": "linux/amd64"}) == expected


def test_each_name_by_itself() -> None:
    everything = [image("linux/arm64", TOOL), image("linux/amd64"), image("linux/arm64"), image("linux/arm/v7", TOOL)]
    chosen, others = _platform.for_platform(everything, "linux/amd64")
    assert (chosen, others) == ([everything[1]], {TOOL: ["linux/arm64", "linux/arm/v7"]})
