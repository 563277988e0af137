# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bundle is the same bundle in whatever shape it lies on the medium; what is wrong with its parts is named."""

from __future__ import annotations

import functools
import os
import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _bundle, _encryption, _medium
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError, InputError, SignatureError
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.conftest import CONTENTS
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, media
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer
from ansible_collections.airlift.registry.tests.unit.plugins.support.media import Key

SIZE = 3000


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return media.make_age_key(tmp_path_factory.mktemp("key"))


@pytest.fixture
def path(tmp_path: Path, signer: Signer) -> Path:
    """The path of a bundle that is one tar."""
    (tmp_path / "stick").mkdir()
    made = tmp_path / "stick" / "app.tar"
    bundles.make_bundle(made, signer, CONTENTS)
    return made


def load(path: Path, signer: Signer, key: Key | None = None) -> _bundle.Bundle:
    unlock = None
    if key:
        unlock = functools.partial(
            _encryption.decrypted, identity=str(key.identity), directory=str(path.parent.parent), run=run_program
        )
    return _bundle.load_bundle(str(path), str(signer.allowed_signers), run_program, unlock)


def read_all(path: Path, signer: Signer, key: Key) -> None:
    with _medium.naming_parts(str(path)):
        for problem in _bundle.verify_blobs(load(path, signer, key)):
            raise problem


def one_file(path: Path, _key: Key) -> None:
    """As it was made."""


def in_parts(path: Path, _key: Key) -> None:
    assert len(media.split(path, SIZE)) > 3


def in_one_part(path: Path, _key: Key) -> None:
    assert len(media.split(path, 10**6)) == 1


def encrypted(path: Path, key: Key) -> None:
    media.encrypt(path, key)


def encrypted_in_parts(path: Path, key: Key) -> None:
    assert len(media.split(media.encrypt(path, key), SIZE)) > 3


SHAPES = [one_file, in_parts, in_one_part, encrypted, encrypted_in_parts]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_is_the_same_bundle(path: Path, signer: Signer, key: Key, shape: t.Callable[[Path, Key], None]) -> None:
    before = load(path, signer)
    shape(path, key)
    bundle = load(path, signer, key)
    assert (bundle.images, bundle.sums, bundle.signer) == (before.images, before.sums, before.signer)
    assert _bundle.verify_blobs(bundle) == []


def test_an_encrypted_bundle_needs_its_key(path: Path, signer: Signer, key: Key) -> None:
    encrypted_in_parts(path, key)
    with pytest.raises(InputError, match=r"app\.tar\.age is encrypted") as error:
        load(path, signer)
    assert "age --decrypt" in error.value.next_step


@pytest.mark.parametrize("number", ["001", "003"])
def test_the_bundle_is_meant_and_not_a_part(path: Path, signer: Signer, number: str) -> None:
    media.split(path, SIZE)
    with pytest.raises(InputError, match=rf"app\.tar\.{number} is one part of a bundle") as error:
        load(path.with_name(f"app.tar.{number}"), signer)
    assert str(path) in error.value.next_step


@pytest.mark.parametrize("shape", [in_parts, encrypted_in_parts], ids=lambda shape: shape.__name__)
@pytest.mark.parametrize("number", [1, 3])
def test_the_part_is_named_that_is_to_blame(
    path: Path, signer: Signer, key: Key, shape: t.Callable[[Path, Key], None], number: int
) -> None:
    shape(path, key)
    base = Path(_medium.base_path(str(path)))
    part = base.with_name(f"{base.name}.{number:03}")
    part.write_bytes(os.urandom(part.stat().st_size))
    with pytest.raises(BundleError, match=rf"{base.name}\.{number:03} is damaged"):
        read_all(path, signer, key)


def test_the_last_part_may_be_cut_short(path: Path, signer: Signer) -> None:
    """Its size says nothing, so it is found by reading."""
    with tarfile.open(path) as archive:
        begin = archive.getmembers()[-1].offset_data
    last = media.split(path, begin)[-1]
    os.truncate(last, 1)
    with pytest.raises(BundleError, match=rf"{last.name} is damaged"):
        load(path, signer)


def test_parts_of_a_bundle_that_was_always_wrong(path: Path, signer: Signer, stranger: Signer) -> None:
    """The parts are as they were made; the signature is not one that is trusted here."""
    media.split(path, SIZE)
    with pytest.raises(SignatureError, match=r"app\.tar is signed by nobody"):
        load(path, stranger)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_knows_what_all_the_files_are_called(path: Path, key: Key, shape: t.Callable[[Path, Key], None]) -> None:
    shape(path, key)
    base = _medium.base_path(str(path))
    assert base == (f"{path}.age" if "encrypted" in shape.__name__ else str(path))
    assert all(str(entry).startswith(base) for entry in path.parent.iterdir())
