# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Staging: what is there, what is believed, and what is taken away."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError
from ansible_collections.airlift.registry.plugins.module_utils._oci import digest_of
from ansible_collections.airlift.registry.plugins.module_utils._staging import Staging, disk

A, B = digest_of(b"a"), digest_of(b"b")


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    (tmp_path / "staging").mkdir()
    return Staging(str(tmp_path / "staging"))


def put(staging: Staging, digest: str, content: bytes) -> Path:
    path = Path(staging.file_of(digest))
    path.write_bytes(content)
    return path


def test_a_directory_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    staging = Staging(str(tmp_path / "nowhere"))
    assert staging.blobs() == {}
    staging.remove([A])


def test_lists_blobs_and_nothing_else(staging: Staging, tmp_path: Path) -> None:
    put(staging, A, b"abc")
    (tmp_path / "staging/notes").write_text("x")
    (tmp_path / "staging" / ("F" * 64)).write_text("x")
    (tmp_path / "staging" / ("e" * 64)).mkdir()
    Path(staging.file_of(B)).symlink_to("/etc/passwd")
    assert staging.blobs() == {A: 3}


def test_believes_what_has_its_digest(staging: Staging) -> None:
    put(staging, A, b"a")
    staging.verify(A, "app")
    assert staging.blobs() == {A: 1}


@pytest.mark.parametrize("content", [b"", b"b", b"aa"], ids=["empty", "flipped", "too long"])
def test_removes_what_has_another_digest(staging: Staging, content: bytes) -> None:
    path = put(staging, A, content)
    with pytest.raises(HostError, match=f"{path}, a layer of app, arrived damaged") as error:
        staging.verify(A, "app")
    assert "the next run sends it again" in error.value.next_step
    assert not path.exists()


def test_says_what_is_not_there(staging: Staging) -> None:
    with pytest.raises(HostError, match="a layer of app, is not in staging"):
        staging.verify(A, "app")


def test_removes_what_is_done_with_and_itself_when_it_is_empty(staging: Staging) -> None:
    put(staging, A, b"a")
    put(staging, B, b"b")
    staging.remove([A])
    assert staging.blobs() == {B: 1}
    staging.remove([A, B])
    assert not os.path.exists(staging.path)


def test_a_directory_that_cannot_be_removed_stays(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount point, for example; the work is done all the same."""

    def refuse(path: str) -> None:
        raise OSError(16, "Device or resource busy", path)

    monkeypatch.setattr(os, "rmdir", refuse)
    put(staging, A, b"a")
    staging.remove([A])
    assert os.listdir(staging.path) == []


def test_the_disk_is_that_of_the_nearest_directory_that_exists(tmp_path: Path) -> None:
    answer = disk(str(tmp_path / "not/yet/there"), str(tmp_path))
    assert answer["shared"] is True
    assert answer["staging_free"] == answer["engine_free"] > 0
    assert answer["staging_path"] == str(tmp_path / "not/yet/there")
    assert (answer["read_only"], answer["staging_writable"]) == ([], True)
    assert disk("/dev/shm/airlift", "/proc")["shared"] is False


def test_a_directory_of_ones_own_is_taken(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir(mode=0o755)
    for name in ("own", "not yet there"):
        Staging(str(tmp_path / name)).check()


def make_link(path: Path) -> None:
    path.with_name("elsewhere").mkdir()
    path.symlink_to(path.with_name("elsewhere"))


def make_writable(path: Path) -> None:
    path.mkdir()
    path.chmod(0o1777)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(make_link, id="a link"),
        pytest.param(make_writable, id="others may write to it"),
        pytest.param(Path.touch, id="a file"),
    ],
)
def test_a_directory_that_others_may_have_prepared_is_refused(tmp_path: Path, make: t.Callable[[Path], None]) -> None:
    make(tmp_path / "staging")
    with pytest.raises(HostError, match="is not only this user's") as error:
        Staging(str(tmp_path / "staging")).check()
    assert "staging_path" in error.value.next_step
