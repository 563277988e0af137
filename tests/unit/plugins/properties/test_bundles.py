# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signed bundles: whatever is done to their bytes, they have the same content or are refused with a BundleError."""

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.airlift.registry.plugins.module_utils import _layout
from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle, load_bundle, verify_blobs
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer
from ansible_collections.airlift.registry.tests.unit.plugins.support.outcomes import outcome

FIELDS = [0, 100, 108, 124, 136, 148, 156, 157, 257, 263, 345, 500]  # where each field of a tar header begins


@pytest.fixture(scope="module")
def whole_tar(whole_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("tar") / "whole.tar"
    files = _layout.DirectoryFiles(str(whole_bundle))
    with open(path, "wb") as target:
        _layout.write_tar(files, _layout.tar_order(files.sizes(), ()), target)
    return path.read_bytes()


def read(path: Path, signer: Signer) -> Bundle | None:
    """The bundle with all its content verified, or nothing when it is refused."""
    bundle = outcome(lambda: load_bundle(str(path), str(signer.allowed_signers), run_program), BundleError)
    return bundle if isinstance(bundle, Bundle) and not verify_blobs(bundle) else None


def same_content(bundle: Bundle, whole: Bundle) -> bool:
    return bundle.images == whole.images and all(
        bundle.files.read(name, 1 << 20) == whole.files.read(name, 1 << 20) for name in whole.sums
    )


@st.composite
def edits(draw: st.DrawFn, whole: bytes, places: st.SearchStrategy[int]) -> bytes:
    """The bytes with a few of them replaced, taken out or put in at one place."""
    place = draw(places)
    gone = draw(st.sampled_from([0, 1, 8, 12, 512]))
    new = draw(
        st.one_of(
            st.binary(min_size=gone, max_size=gone) if gone < 20 else st.just(bytes(512)),
            st.just(b""),
            st.binary(max_size=3),
        )
    )
    return whole[:place] + new + whole[place + gone :]


@settings(max_examples=60)
@given(data=st.data())
def test_a_tar_with_other_bytes(
    whole_bundle: Path, whole_tar: bytes, signer: Signer, tmp_path: Path, data: st.DataObject
) -> None:
    headers = st.builds(
        lambda block, field: block * 512 + field, st.integers(0, len(whole_tar) // 512 - 1), st.sampled_from(FIELDS)
    )
    path = tmp_path / "changed.tar"
    path.write_bytes(data.draw(edits(whole_tar, st.one_of(headers, st.integers(0, len(whole_tar))))))
    bundle = read(path, signer)
    if bundle:
        whole = load_bundle(str(whole_bundle), str(signer.allowed_signers), run_program)
        assert same_content(bundle, whole)


@settings(max_examples=25)
@given(data=st.data())
def test_a_directory_with_other_bytes(whole_bundle: Path, signer: Signer, tmp_path: Path, data: st.DataObject) -> None:
    """Each file of it, cut, changed, or exchanged for another one; nothing of that goes unnoticed."""
    path = tmp_path / "changed"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(whole_bundle, path)
    names = sorted(_layout.DirectoryFiles(str(whole_bundle)).sizes())
    name = path / data.draw(st.sampled_from(names))
    content = name.read_bytes()
    other: t.Callable[[], bytes] = (path / data.draw(st.sampled_from(names))).read_bytes
    changed = data.draw(st.one_of(edits(content, st.integers(0, len(content))), st.builds(other)))
    name.write_bytes(changed)
    # A signature is text around the bytes that count; blank lines in it change nothing.
    assert bool(read(path, signer)) == (changed == content) or name.name == _layout.SIGNATURE
