# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locks, whatever is in them."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError
from ansible_collections.airlift.registry.plugins.module_utils._lock import (
    Lock,
    LockedBase,
    LockedBlob,
    LockedImage,
    entry_data,
    format_lock,
    parse_lock,
)
from ansible_collections.airlift.registry.tests.unit.plugins.support.outcomes import outcome

digests = st.sampled_from([f"sha256:{digit * 64}" for digit in "0af"])
maybe = st.one_of(st.just(""), digests)
texts = st.text(max_size=12)
sizes = st.integers(0, 1 << 70)
images = st.builds(LockedImage, texts, texts, digests, digests, sizes, texts, texts, texts, maybe)
bases = st.lists(st.builds(LockedBase, digests, texts), max_size=2).map(tuple)


@st.composite
def locks(draw: st.DrawFn) -> Lock:
    """Any lock whose layers are in it or in one of its bases."""
    known = draw(bases)
    homes = st.sampled_from(["", *(base.id for base in known)])
    blobs = st.builds(LockedBlob, digests, digests, sizes, homes)
    found = draw(st.lists(images, max_size=3)), draw(st.lists(blobs, max_size=3))
    return Lock(draw(texts), tuple(found[0]), tuple(found[1]), known)


@given(locks())
def test_is_read_back_as_it_was_written(lock: Lock) -> None:
    assert parse_lock(format_lock(lock)) == lock


# YAML 1.1 takes no control characters, not even in quotes, and JSON escapes only some of them.
printable = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co"), exclude_characters="\ufeff")
)


@given(st.lists(st.builds(LockedBase, digests, printable), min_size=1, max_size=3).map(tuple), printable)
def test_yaml_says_the_same(found: tuple[LockedBase, ...], created: str) -> None:
    document = yaml.safe_load(format_lock(Lock(created, bases=found)))
    assert document["created"] == created
    assert document["bases"] == [entry_data(base) for base in found]


A = f"sha256:{'a' * 64}"
ONE = Lock("", (LockedImage("n", "p", A, A, 7, "", "s", ""),), (LockedBlob(A, A, 3, A),), (LockedBase(A, "b"),))


@pytest.mark.parametrize("more", [b" ", b"\n", b"0", b"images:\n", b'"base":"",', b"\\u0041", b""], ids=repr)
@pytest.mark.parametrize("less", [0, 1])
def test_one_lock_has_one_spelling(more: bytes, less: int) -> None:
    """Its digest is the bundle's ID, so nothing else may be read as the same lock: a change at every place in turn."""
    whole = format_lock(ONE)
    for place in range(len(whole) + 1):
        changed = whole[:place] + more + whole[place + less :]
        try:
            lock = parse_lock(changed)
        except BundleError:
            continue
        assert format_lock(lock) == changed


@given(locks().map(format_lock), st.data())
def test_any_bytes_are_a_lock_or_refused(whole: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(whole)))
    changed = whole[:place] + data.draw(st.binary(max_size=4)) + whole[place + data.draw(st.integers(0, 9)) :]
    assert outcome(lambda: parse_lock(changed), BundleError)
