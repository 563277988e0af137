# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The form of a bundle on its medium: what options mean, which files are its own, and in what the one that is there differs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _form, _parity
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._form import PLAIN, Form
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.support import media

AGE = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
TAR = b"oci-layout\0" + bytes(2549)
ENCRYPTED = b"age-encryption.org/v1\n" + bytes(2538)
PARITY = b"PAR2\0PKT"
RECORD = b"airlift-record 1 ..."
SUMS = b"0" * 64 + b"  app.tar.001\n"
SUMS_OF_ENCRYPTED = b"0" * 64 + b"  app.tar.age.001\n"


@pytest.mark.parametrize(
    ("part_size", "parity", "recipients", "form"),
    [
        pytest.param("", 0, [], PLAIN, id="nothing asked for"),
        pytest.param("1MiB", 0, [], Form(part_size=1 << 20), id="parts"),
        pytest.param("fat32", 10, [], Form(part_size=2**32 - 1, parity=10), id="parts and parity"),
        pytest.param("", 100, [], Form(parity=100), id="as much parity as there may be"),
        pytest.param("", 0, [f" {AGE}\n"], Form(recipients=(AGE,)), id="white space around a key"),
    ],
)
def test_what_options_mean(part_size: str, parity: int, recipients: list[str], form: Form) -> None:
    assert _form.parse_form("/stick/app.tar", part_size, parity, recipients) == form


@pytest.mark.parametrize(
    ("path", "part_size", "parity", "recipients", "problem"),
    [
        pytest.param("/stick/app", "1MiB", 0, [], "/stick/app would be a directory", id="parts of a directory"),
        pytest.param("/stick/app", "", 10, [], "would be a directory", id="parity of a directory"),
        pytest.param("/stick/app", "", 0, [AGE], "would be a directory", id="encrypted directory"),
        pytest.param("/stick/app.tar", "1 parsec", 0, [], "'1 parsec' is no size", id="no size"),
        pytest.param("/stick/app.tar", "", 101, [], "parity is 101", id="too much parity"),
        pytest.param("/stick/app.tar", "", -1, [], "parity is -1", id="less than no parity"),
        pytest.param("/stick/app.tar", "", 0, ["AGE-SECRET-KEY-1X"], "is no public key", id="private key"),
    ],
)
def test_what_cannot_be_meant(path: str, part_size: str, parity: int, recipients: list[str], problem: str) -> None:
    with pytest.raises(InputError, match=problem) as error:
        _form.parse_form(path, part_size, parity, recipients)
    assert error.value.next_step


def test_a_directory_may_be_plain() -> None:
    assert _form.parse_form("/stick/app", "", 0, []) == PLAIN


def write(directory: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (directory / name).write_bytes(content)


@pytest.mark.parametrize(
    ("files", "own"),
    [
        pytest.param({}, set(), id="nothing there"),
        pytest.param({"app.tar": TAR}, {"app.tar"}, id="tar"),
        pytest.param({"app.tar": b"my thesis"}, set(), id="another tar"),
        pytest.param({"app.tar": b""}, set(), id="empty file"),
        pytest.param({"app.tar.age": ENCRYPTED, "app.tar.age.record": RECORD}, {"app.tar.age", "app.tar.age.record"}, id="encrypted"),
        pytest.param({"app.tar.age.record": b"gramophone"}, set(), id="another record"),
        pytest.param({"app.tar.001": TAR, "app.tar.002": b"rest", "app.tar.SHA256SUMS": SUMS}, {"app.tar.001", "app.tar.002", "app.tar.SHA256SUMS"}, id="parts"),
        pytest.param({"app.tar.001": TAR, "app.tar.002": b"rest"}, {"app.tar.001", "app.tar.002"}, id="parts whose list was not written"),
        pytest.param({"app.tar.002": b"rest", "app.tar.SHA256SUMS": SUMS}, {"app.tar.002", "app.tar.SHA256SUMS"}, id="parts of which the first is lost"),
        pytest.param({"app.tar.002": b"photos"}, set(), id="part of something"),
        pytest.param({"app.tar.001": b"photos", "app.tar.002": b"photos"}, set(), id="parts of something"),
        pytest.param({"app.tar.SHA256SUMS": b"0" * 64 + b"  photo.jpg\n"}, set(), id="list of other files"),
        pytest.param({"app.tar.age.001": ENCRYPTED, "app.tar.age.SHA256SUMS": SUMS_OF_ENCRYPTED}, {"app.tar.age.001", "app.tar.age.SHA256SUMS"}, id="encrypted parts"),
        pytest.param({"app.tar.par2": PARITY, "app.tar.vol00+10.par2": PARITY}, {"app.tar.par2", "app.tar.vol00+10.par2"}, id="parity"),
        pytest.param({"app.tar.par2": b"golf"}, set(), id="another par2"),
        pytest.param({"app.tar.1": TAR, "app.tar.bak": TAR, "my-app.tar": TAR, "app.tar2": TAR}, set(), id="names that are like it"),
    ],
)  # fmt: skip
def test_which_files_are_its_own(tmp_path: Path, files: dict[str, bytes], own: set[str]) -> None:
    write(tmp_path, files)
    assert _form.files_of_bundle(str(tmp_path / "app.tar")) == sorted(str(tmp_path / name) for name in own)


def test_a_directory_of_its_name_is_no_file_of_it(tmp_path: Path) -> None:
    (tmp_path / "app.tar.001").mkdir()
    assert _form.files_of_bundle(str(tmp_path / "app.tar")) == []
    assert _form.files_of_bundle(str(tmp_path / "nowhere/app.tar")) == []


@pytest.mark.parametrize(
    ("files", "form", "found"),
    [
        pytest.param({"app.tar": TAR}, PLAIN, set(), id="a bundle is no stranger"),
        pytest.param({"app.tar": b"my thesis"}, PLAIN, {"app.tar"}, id="tar"),
        pytest.param({"app.tar.001": b"my thesis"}, PLAIN, set(), id="part that a plain bundle does not touch"),
        pytest.param({"app.tar.001": b"my thesis"}, Form(part_size=9), {"app.tar.001"}, id="part"),
        pytest.param({"app.tar.SHA256SUMS": b"sums"}, Form(part_size=9), {"app.tar.SHA256SUMS"}, id="list"),
        pytest.param({"app.tar.par2": b"golf"}, Form(parity=9), {"app.tar.par2"}, id="parity"),
        pytest.param({"app.tar.age": b"old"}, Form(recipients=(AGE,)), {"app.tar.age"}, id="encrypted"),
        pytest.param({"app.tar.age.001": b"old"}, Form(part_size=9, recipients=(AGE,)), {"app.tar.age.001"}, id="encrypted part"),
    ],
)  # fmt: skip
def test_what_is_not_ours_would_be_overwritten(
    tmp_path: Path, files: dict[str, bytes], form: Form, found: set[str]
) -> None:
    write(tmp_path, files)
    assert _form.strangers(str(tmp_path / "app.tar"), form) == sorted(str(tmp_path / name) for name in found)


def in_parts(path: Path) -> None:
    media.split(path, 1000)


def encrypted(path: Path) -> None:
    path.rename(f"{path}.age")
    path.with_name("app.tar.age").write_bytes(ENCRYPTED)


def damaged_part(path: Path) -> None:
    media.split(path, 1000)[1].write_bytes(bytes(999) + b"!")


def with_parity(path: Path) -> None:
    _parity.create(str(path), _form.parity_files(str(path)), _form.parity_layout(str(path), 10), run_program)


def gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("change", "form", "reasons"),
    [
        pytest.param(gone, Form(part_size=1000), [], id="no bundle"),
        pytest.param(lambda _path: None, PLAIN, [], id="one file, as wanted"),
        pytest.param(lambda _path: None, Form(part_size=1000), ["it is not in parts of 1000 bytes"], id="parts wanted"),
        pytest.param(lambda _path: None, Form(recipients=(AGE,)), ["it is not encrypted"], id="encryption wanted"),
        pytest.param(lambda _path: None, Form(parity=10), ["it has no parity of 10 percent, or not all of it"], id="parity wanted"),
        pytest.param(with_parity, Form(parity=10), [], id="parity, as wanted"),
        pytest.param(in_parts, Form(part_size=1000), [], id="parts, as wanted"),
        pytest.param(in_parts, Form(part_size=900), ["it is not in parts of 900 bytes"], id="smaller parts wanted"),
        pytest.param(in_parts, Form(part_size=1001), ["it is not in parts of 1001 bytes"], id="larger parts wanted"),
        pytest.param(in_parts, PLAIN, ["it is in parts"], id="one file wanted"),
        pytest.param(encrypted, PLAIN, ["it is encrypted"], id="plain wanted"),
    ],
)  # fmt: skip
def test_in_what_the_form_differs(tmp_path: Path, change: object, form: Form, reasons: list[str]) -> None:
    path = tmp_path / "app.tar"
    path.write_bytes(TAR)
    assert callable(change)
    change(path)
    assert _form.form_differences(str(path), form) == reasons


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    path = tmp_path / "app.tar"
    path.write_bytes(TAR)
    damaged_part(path)
    (reason,) = _form.form_differences(str(path), Form(part_size=1000))
    assert f"{path}.002 is damaged" in reason


@pytest.mark.parametrize(
    ("parity", "is_warned"),
    [pytest.param(0, False, id="none"), pytest.param(5, True, id="too little"), pytest.param(60, False, id="enough")],
)
def test_warns_of_parity_that_rebuilds_no_part(tmp_path: Path, parity: int, is_warned: bool) -> None:
    path = tmp_path / "app.tar"
    path.write_bytes(TAR + os.urandom(7440))
    media.split(path, 5000)
    warnings = _form.parity_warnings(str(path), Form(part_size=5000, parity=parity))
    assert [f"parity={parity}" in warning and "5000 bytes" in warning for warning in warnings] == [True] * is_warned
