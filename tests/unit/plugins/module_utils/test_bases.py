# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bases: what is left out, which bundle is named as its home, and why a bundle is made again."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._bases import (
    Base,
    Bases,
    base_differences,
    combine,
    lock_layers,
    reuse_differences,
)
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError
from ansible_collections.airlift.registry.plugins.module_utils._image import Layer
from ansible_collections.airlift.registry.plugins.module_utils._lock import (
    Lock,
    LockedBase,
    LockedBlob,
    format_lock,
    parse_lock,
)
from ansible_collections.airlift.registry.plugins.module_utils._oci import OCI_LAYER_GZIP, Descriptor, digest_of
from ansible_collections.airlift.registry.plugins.module_utils._reuse import stand_ins

ZSTD = OCI_LAYER_GZIP.replace("gzip", "zstd")


def digest(text: str) -> str:
    return digest_of(text.encode())


def layer(name: str, content: str = "", media_type: str = OCI_LAYER_GZIP) -> Layer:
    """A layer by the name of its blob; what is in it is called the same unless I(content) is given."""
    return Layer(Descriptor(media_type, digest(name), 10), digest(content or name))


def base(name: str, *layers: str, **left_out: str) -> Base:
    """A base that has some layers; of others it says which base has them."""
    blobs = [*(LockedBlob(digest(found), digest(found), 10) for found in layers)]
    blobs += [LockedBlob(digest(found), digest(found), 10, digest(home)) for found, home in left_out.items()]
    homes = tuple(LockedBase(digest(home), f"{home}.tar") for home in sorted(set(left_out.values())))
    return Base(digest(name), f"{name}.tar", Lock("", (), tuple(blobs), homes))


def homes(bases: Bases) -> dict[str, str]:
    """The name of the home of each layer in the tests."""
    names = {digest(name): name for name in "abcd"}
    return {names[found]: bases.names[home] for found, home in bases.homes.items()}


@pytest.mark.parametrize(
    ("bases", "expected"),
    [
        pytest.param([], {}, id="no base"),
        pytest.param([base("first", "a", "b")], {"a": "first.tar", "b": "first.tar"}, id="one base"),
        pytest.param([base("first", "a"), base("second", "b")], {"a": "first.tar", "b": "second.tar"}, id="two bases"),
        pytest.param(
            [base("second", "b", a="first")], {"a": "first.tar", "b": "second.tar"}, id="an increment names its base"
        ),
        pytest.param(
            [base("second", "b", a="lost"), base("other", "a")],
            {"a": "other.tar", "b": "second.tar"},
            id="a bundle that was given is a better home",
        ),
    ],
)
def test_each_layer_has_one_home_whatever_the_order(bases: list[Base], expected: dict[str, str]) -> None:
    for order in itertools.permutations(bases):
        assert homes(combine(order)) == expected


def test_of_two_homes_the_same_is_chosen_in_any_order() -> None:
    first, second = base("first", "a"), base("second", "a")
    assert combine([first, second]) == combine([second, first])


def test_the_lock_names_every_layer_and_the_bases_that_are_used() -> None:
    bases = combine([base("first", "a"), base("unused", "d")])
    blobs, used = lock_layers([layer("a"), layer("b"), layer("a"), layer("c", media_type=ZSTD)], bases)
    assert {blob.digest: (blob.base, blob.compression) for blob in blobs} == {
        digest("a"): (digest("first"), ""),
        digest("b"): ("", ""),
        digest("c"): ("", "zstd"),
    }
    assert used == (LockedBase(digest("first"), "first.tar"),)
    assert [blob.digest for blob in blobs] == sorted(blob.digest for blob in blobs)
    lock = Lock("2026-01-02T03:04:05Z", (), blobs, used)
    assert parse_lock(format_lock(lock)) == lock


def test_a_lock_must_name_the_base_of_what_it_leaves_out() -> None:
    lock = Lock("2026-01-02T03:04:05Z", (), (LockedBlob(digest("a"), digest("a"), 1, digest("first")),))
    with pytest.raises(BundleError, match="does not name the base"):
        parse_lock(format_lock(lock))


LAYERS = [layer("a"), layer("b"), layer("c")]
NONE, FIRST, BOTH = combine([]), combine([base("first", "a")]), combine([base("first", "a"), base("second", "b", "c")])


@pytest.mark.parametrize(
    ("made_with", "bases", "reasons"),
    [
        pytest.param(NONE, NONE, [], id="never had one"),
        pytest.param(BOTH, BOTH, [], id="the same"),
        pytest.param(BOTH, combine([base("first", "a"), base("second", "b", "c"), base("third", "d")]), [], id="a base that has nothing of it"),
        pytest.param(NONE, FIRST, ["the bases have one layer of it that it does not leave out"], id="a base more"),
        pytest.param(BOTH, FIRST, ["it leaves out 2 layers that none of the bases has"], id="a base fewer"),
        pytest.param(FIRST, combine([base("second", "b")]), ["the bases have one layer of it that it does not leave out", "it leaves out one layer that none of the bases has"], id="another base"),
        pytest.param(FIRST, combine([base("copy", "a")]), ["its bases are others, or have other names"], id="the same layers in another base"),
        pytest.param(FIRST, combine([Base(digest("first"), "renamed.tar", base("first", "a").lock)]), ["its bases are others, or have other names"], id="a base that was renamed"),
    ],
)  # fmt: skip
def test_why_a_bundle_is_made_again(made_with: Bases, bases: Bases, reasons: list[str]) -> None:
    assert base_differences(Lock("", (), *lock_layers(LAYERS, made_with)), LAYERS, bases) == reasons


@pytest.mark.parametrize(
    ("known", "reasons"),
    [
        pytest.param([], [], id="nothing is known"),
        pytest.param([layer("a")], [], id="the same blob"),
        pytest.param([layer("x", "other")], [], id="other content"),
        pytest.param([layer("x", "a")], ["a layer of app is in a base or in another image with the same content"], id="another compression"),
    ],
)  # fmt: skip
def test_why_an_image_is_made_again(known: list[Layer], reasons: list[str]) -> None:
    assert reuse_differences({"app": LAYERS}, stand_ins(known, False)) == reasons
