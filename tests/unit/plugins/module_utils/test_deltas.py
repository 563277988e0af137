# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""deltas.json: what is written is read, and what could do harm is refused."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airlift.registry.plugins.module_utils import _deltas
from ansible_collections.airlift.registry.plugins.module_utils._deltas import Delta, Deltas, format_deltas, parse_deltas
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError

ONE = Delta(
    digest="sha256:" + "1" * 64,
    size=1000,
    diff_id="sha256:" + "2" * 64,
    unpacked=3000,
    base_diff_id="sha256:" + "3" * 64,
    base_unpacked=2000,
    bundle="sha256:" + "5" * 64,
    bundle_name="2026-10.tar",
    delta="sha256:" + "4" * 64,
    delta_size=50,
    restore="gzip",
)

digests = st.binary(min_size=32, max_size=32).map(lambda data: f"sha256:{data.hex()}")
sizes = st.integers(min_value=1, max_value=_deltas.MAX_UNPACKED)
some = st.builds(
    Delta,
    digest=digests,
    size=sizes,
    diff_id=digests,
    unpacked=sizes,
    base_diff_id=digests,
    base_unpacked=sizes,
    bundle=digests,
    bundle_name=st.text(max_size=255),
    delta=digests,
    delta_size=sizes,
    restore=st.sampled_from(["", *_deltas.RESTORE]),
    memory=st.integers(min_value=1, max_value=_deltas.MAX_MEMORY),
).filter(lambda delta: delta.diff_id != delta.base_diff_id)


@given(
    st.lists(some, max_size=4, unique_by=lambda delta: delta.digest),
    st.sampled_from(["beside", "instead"]),
    st.floats(min_value=0, max_value=1),
    st.lists(digests, max_size=2),
)
def test_reads_what_it_wrote_in_any_order(deltas: list[Delta], mode: str, limit: float, bases: list[str]) -> None:
    written = format_deltas(Deltas(mode, limit, tuple(bases), tuple(deltas)))
    assert written == format_deltas(Deltas(mode, limit, tuple(bases), tuple(deltas[::-1])))
    found = parse_deltas(written, "it")
    assert sorted(found.deltas, key=repr) == sorted(deltas, key=repr)
    assert (found.mode, found.limit, found.bases) == (mode, limit, tuple(bases))


def test_a_delta_stands_for_a_layer_only_if_that_was_wanted_and_it_restores_it() -> None:
    other = dataclasses.replace(ONE, digest=ONE.diff_id, restore="")
    assert Deltas("beside", 0.5, (), (ONE, other)).instead == {}
    assert Deltas("instead", 0.5, (), (ONE, other)).instead == {ONE.digest: ONE}


def test_reads_the_document_that_the_others_are_changed_from() -> None:
    assert parse_deltas(written(), "deltas.json").deltas == (ONE,)


HOSTILE = [
    pytest.param(("memory",), 1 << 40, "asks for 1099511627776 bytes of memory; 268435456 are allowed", id="much memory"),
    pytest.param(("memory",), 0, "no memory that can be", id="no memory"),
    pytest.param(("memory",), "1", "no memory that can be", id="memory as text"),
    pytest.param(("tool",), "sh", "not known here", id="another tool"),
    pytest.param(("format",), "bsdiff", "not known here", id="another format"),
    pytest.param(("target", "restore"), "sh -c", "not known here", id="another way to restore"),
    pytest.param(("target", "restore"), ["gzip"], "not known here", id="a list as the way to restore"),
    pytest.param(("target", "digest"), "../../etc/passwd", "has no digest", id="path as digest"),
    pytest.param(("target", "diff_id"), None, "has no diff_id", id="no diffID"),
    pytest.param(("target", "unpacked"), 1 << 60, "no unpacked that can be", id="sizes of a giant"),
    pytest.param(("target", "size"), -1, "no size that can be", id="negative size"),
    pytest.param(("target", "size"), True, "no size that can be", id="true as a size"),
    pytest.param(("base", "diff_id"), ONE.diff_id, "has its target as its base", id="its own base"),
    pytest.param(("base",), [], "has no diff_id", id="base is a list"),
    pytest.param(("delta", "size"), 0, "no size that can be", id="empty delta"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "problem"), HOSTILE)
def test_refuses_what_could_do_harm(path: tuple[str, ...], value: t.Any, problem: str) -> None:
    document = json.loads(format_deltas(Deltas("beside", 0.5, (), (ONE,))))
    place = document["deltas"][0]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(BundleError, match=r"Delta 1 of deltas\.json") as error:
        parse_deltas(json.dumps(document).encode(), "deltas.json")
    assert problem in str(error.value)


ENTRY = json.loads(format_deltas(Deltas("beside", 0.5, (), (ONE,))))["deltas"][0]


def written(**changes: t.Any) -> bytes:
    document = {"version": 1, "mode": "beside", "limit": 0.5, "bases": [], "deltas": [ENTRY], **changes}
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="empty"),
        pytest.param(written(version=2), id="another version"),
        pytest.param(written(mode="else"), id="another mode"),
        pytest.param(written(limit="much"), id="limit as text"),
        pytest.param(written(bases=["x"]), id="bases that are no digests"),
        pytest.param(written(deltas={}), id="deltas as a mapping"),
        pytest.param(written(deltas=[1]), id="a number as delta"),
        pytest.param(written(deltas=[ENTRY, ENTRY]), id="two for one layer"),
    ],
)
def test_refuses_other_documents(data: bytes) -> None:
    with pytest.raises(BundleError):
        parse_deltas(data, "deltas.json")
