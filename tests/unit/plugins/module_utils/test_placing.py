# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a bundle are put in place as a whole, in each form, over each other form."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _layout
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._form import PLAIN, Form
from ansible_collections.airlift.registry.plugins.module_utils._placing import place_tar
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.support import media
from ansible_collections.airlift.registry.tests.unit.plugins.support.media import Key

PARTS, SMALLER = Form(part_size=4000), Form(part_size=3000)
BLOB = f"blobs/sha256/{'0' * 64}"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return media.make_age_key(tmp_path_factory.mktemp("key"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "stick").mkdir()
    return tmp_path / "stick" / "app.tar"


def place(path: Path, form: Form, content: bytes = b"new") -> None:
    """Place the tar of two files, of which the second is this content."""
    source = path.parent.parent / "source"
    (source / os.path.dirname(BLOB)).mkdir(parents=True, exist_ok=True)
    (source / _layout.LAYOUT).write_text("{}")
    (source / BLOB).write_bytes(content)
    place_tar(_layout.DirectoryFiles(str(source)), [_layout.LAYOUT, BLOB], str(path), form, run_program)


def names(path: Path) -> set[str]:
    return {entry.name for entry in path.parent.iterdir()}


FORMS = [
    pytest.param(PLAIN, {"app.tar"}, id="one file"),
    pytest.param(PARTS, {"app.tar.001", "app.tar.002", "app.tar.003", "app.tar.SHA256SUMS"}, id="parts"),
    pytest.param(SMALLER, {"app.tar.001", "app.tar.002", "app.tar.003", "app.tar.004", "app.tar.SHA256SUMS"}, id="smaller parts"),
    pytest.param(Form(parity=5), {"app.tar", "app.tar.par2", "app.tar.vol00+10.par2"}, id="one file with parity"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "files"), FORMS)
@pytest.mark.parametrize(("before", "old"), FORMS)
def test_nothing_of_the_old_form_stays(path: Path, before: Form, old: set[str], form: Form, files: set[str]) -> None:
    place(path, before, b"old")
    assert names(path) == old
    place(path, form)
    assert names(path) == files
    assert _layout.open_files(str(path)).read(BLOB, 10) == b"new"


def test_the_form_changes_nothing_inside(path: Path, tmp_path: Path) -> None:
    place(path, PLAIN)
    whole = path.read_bytes()
    place(path, SMALLER)
    parts = sorted(entry for entry in path.parent.iterdir() if entry.suffix != ".SHA256SUMS")
    assert b"".join(part.read_bytes() for part in parts) == whole
    listed = (path.parent / "app.tar.SHA256SUMS").read_text().splitlines()
    assert listed == [f"{hashlib.sha256(part.read_bytes()).hexdigest()}  {part.name}" for part in parts]
    assert len(parts) == -(-len(whole) // 3000)


def test_what_is_encrypted_takes_the_place_of_what_was_plain(path: Path, key: Key) -> None:
    place(path, PLAIN)
    place(path, Form(recipients=(key.recipient,)))
    assert names(path) == {"app.tar.age"}
    assert b"oci-layout" not in (path.parent / "app.tar.age").read_bytes()
    place(path, PLAIN)
    assert names(path) == {"app.tar"}


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(Form(recipients=("age1" + "q" * 58,)), id="age refuses"),
        pytest.param(Form(part_size=1), id="too many parts"),
    ],
)
@pytest.mark.parametrize("before", [PLAIN, PARTS], ids=["one file", "parts"])
def test_an_error_leaves_what_was_there(path: Path, before: Form, form: Form) -> None:
    place(path, before, b"old")
    files = {entry.name: entry.read_bytes() for entry in path.parent.iterdir()}
    with pytest.raises(InputError):
        place(path, form)
    assert {entry.name: entry.read_bytes() for entry in path.parent.iterdir()} == files


def test_files_of_others_stay(path: Path) -> None:
    others = {"app.tar.bak": b"mine", "app.tar.1": b"mine", "photo.tar": b"mine"}
    for name, content in others.items():
        (path.parent / name).write_bytes(content)
    place(path, PARTS)
    place(path, PLAIN)
    assert names(path) == {*others, "app.tar"}


def test_what_a_killed_run_left_beside_it_is_cleared(path: Path) -> None:
    (path.parent / ".app.tar.new").mkdir()
    (path.parent / ".app.tar.new" / "app.tar.001").write_bytes(b"half")
    place(path, PLAIN)
    assert names(path) == {"app.tar"}
