# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The history of an image: what the config says, and what is made of it when that does not add up."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError
from ansible_collections.airlift.registry.plugins.module_utils._history import history
from ansible_collections.airlift.registry.plugins.module_utils._image import Layer
from ansible_collections.airlift.registry.plugins.module_utils._oci import OCI_LAYER_GZIP, Descriptor

BASE = Layer(Descriptor(OCI_LAYER_GZIP, "sha256:" + "a" * 64, 100), "sha256:" + "b" * 64)
TOP = Layer(Descriptor(OCI_LAYER_GZIP, "sha256:" + "c" * 64, 7), "sha256:" + "d" * 64)


def steps(entries: t.Any) -> list[tuple[str, str | None, int]]:
    found = history(json.dumps({"history": entries}).encode(), [BASE, TOP], "The config")
    return [(step["created_by"], step["digest"], step["size"]) for step in found]


UNKNOWN = [("", BASE.blob.digest, 100), ("", TOP.blob.digest, 7)]
ENV = {"created_by": "ENV A=b", "empty_layer": True}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        pytest.param(
            [{"created_by": "ADD base"}, ENV, {"created_by": "COPY top"}],
            [("ADD base", BASE.blob.digest, 100), ("ENV A=b", None, 0), ("COPY top", TOP.blob.digest, 7)],
            id="with a step that makes no layer",
        ),
        pytest.param(None, UNKNOWN, id="none"),
        pytest.param("x", UNKNOWN, id="no list"),
        pytest.param([{"created_by": "ADD base"}], UNKNOWN, id="too few steps"),
        pytest.param([{}, {}, {}], UNKNOWN, id="too many steps"),
        pytest.param([7, {}, "x", {}], UNKNOWN, id="entries that are none"),
        pytest.param([{"created_by": 7}, {"created_by": None}], UNKNOWN, id="texts that are none"),
    ],
)
def test_each_step_has_its_layer(entries: t.Any, expected: list[tuple[str, str | None, int]]) -> None:
    assert steps(entries) == expected


def test_tells_all_that_the_builder_wrote() -> None:
    entry = {"created": "2026-01-02T03:04:05Z", "created_by": "RUN x", "author": "a", "comment": "c", "more": 1}
    (step,) = history(json.dumps({"history": [entry]}).encode(), [TOP], "The config")
    assert step == {
        **{key: entry[key] for key in ("created", "created_by", "author", "comment")},
        "digest": TOP.blob.digest,
        "diff_id": TOP.diff_id,
        "size": 7,
    }


def test_a_config_that_is_none() -> None:
    with pytest.raises(BundleError, match="The config is not JSON"):
        history(b"{", [TOP], "The config")
