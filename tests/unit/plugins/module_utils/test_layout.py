# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a bundle: what may be in a directory or a tar, and what is refused before a byte of it is read."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _layout
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError, InputError
from ansible_collections.airlift.registry.tests.unit.plugins.support.images import Member, tar

BLOB = "blobs/sha256/" + "a" * 64
INDEX = Member("index.json", b"{}")


def open_tar(path: Path, data: bytes) -> _layout.Files:
    path.write_bytes(data)
    return _layout.open_files(str(path))


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([INDEX, Member(BLOB, b"x" * 700)], id="as the bundle module writes it"),
        pytest.param([Member("./index.json", b"{}"), Member(f"./{BLOB}", b"x" * 700)], id="names begin with a dot"),
        pytest.param(
            [
                Member("./", type=tarfile.DIRTYPE),
                Member("./blobs/", type=tarfile.DIRTYPE),
                Member("./blobs/sha256/", type=tarfile.DIRTYPE),
                Member(f"./{BLOB}", b"x" * 700),
                INDEX,
            ],
            id="with its directories, in another order",
        ),
    ],
)
def test_reads_a_tar(tmp_path: Path, members: list[Member]) -> None:
    files = open_tar(tmp_path / "bundle.tar", tar(members))
    assert files.sizes() == {"index.json": 2, BLOB: 700}
    assert files.read("index.json", 10) == b"{}"
    assert b"".join(files.chunks(BLOB, 690)) == b"x" * 10
    assert b"".join(files.chunks(BLOB, 1, 3)) == b"xxx"


@pytest.mark.parametrize("arguments", [["."], ["index.json", "blobs"]], ids=["all of the directory", "by name"])
def test_reads_a_tar_that_plain_tar_made_of_the_directory(
    tmp_path: Path, whole_bundle: Path, arguments: list[str]
) -> None:
    path = tmp_path / "plain.tar"
    subprocess.run(["tar", "cf", str(path), "-C", str(whole_bundle), *arguments], check=True)
    sizes = _layout.DirectoryFiles(str(whole_bundle)).sizes()
    found = _layout.open_files(str(path)).sizes()
    assert found == {name: sizes[name] for name in found}
    assert len(found) == (len(sizes) if arguments == ["."] else len(sizes) - 6)


@pytest.mark.parametrize(
    ("member", "problem"),
    [
        pytest.param(Member("../index.json", b"{}"), "no file of a bundle", id="leaves its directory"),
        pytest.param(Member("blobs/sha256/../../../etc/passwd"), "no file of a bundle", id="leaves it from below"),
        pytest.param(Member("/etc/passwd"), "no file of a bundle", id="absolute path"),
        pytest.param(Member("/index.json"), "no file of a bundle", id="known name, absolute"),
        pytest.param(Member("././index.json"), "no file of a bundle", id="another spelling of a known name"),
        pytest.param(Member("notes.txt"), "no file of a bundle", id="unknown file"),
        pytest.param(Member("blobs/sha512/" + "a" * 128), "no file of a bundle", id="another algorithm"),
        pytest.param(Member(BLOB.upper()), "no file of a bundle", id="blob in upper case"),
        pytest.param(Member(BLOB + "\n"), "no file of a bundle", id="blob with a newline"),
        pytest.param(Member("evil", type=tarfile.DIRTYPE), "no file of a bundle", id="unknown directory"),
        pytest.param(
            Member("index.json", type=tarfile.DIRTYPE), "link or a special file", id="file that is a directory"
        ),
        pytest.param(
            Member("index.json", type=tarfile.SYMTYPE, link="/etc/shadow"), "link or a special file", id="symlink"
        ),
        pytest.param(
            Member("blobs", type=tarfile.SYMTYPE, link="/"), "no file of a bundle", id="directory is a symlink"
        ),
        pytest.param(Member(BLOB, type=tarfile.LNKTYPE, link="index.json"), "link or a special file", id="hard link"),
        pytest.param(Member(BLOB, type=tarfile.CHRTYPE), "link or a special file", id="device"),
        pytest.param(Member(BLOB, type=tarfile.FIFOTYPE), "link or a special file", id="named pipe"),
    ],
)
def test_refuses_a_tar_that_holds(tmp_path: Path, member: Member, problem: str) -> None:
    path = tmp_path / "bundle.tar"
    with pytest.raises(BundleError, match=problem) as error:
        open_tar(path, tar([Member("oci-layout", b"{}"), member]))
    assert str(path) in error.value.problem
    assert os.listdir(tmp_path) == ["bundle.tar"]


@pytest.mark.parametrize("again", ["index.json", "./index.json"])
def test_refuses_a_tar_that_holds_a_file_twice(tmp_path: Path, again: str) -> None:
    with pytest.raises(BundleError, match=r"has index\.json twice"):
        open_tar(tmp_path / "bundle.tar", tar([INDEX, Member(again, b"[]")]))


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_refuses_a_header_that_would_fill_the_memory(tmp_path: Path, kind: bytes) -> None:
    header = tarfile.TarInfo("./@LongLink")
    header.type, header.size = kind, 1 << 30
    path = tmp_path / "bundle.tar"
    path.write_bytes(header.tobuf(tarfile.GNU_FORMAT))
    os.truncate(path, (1 << 30) + 10 * 512)  # a hole: it costs no disk
    with pytest.raises(BundleError, match="header of 1073741824 bytes"):
        _layout.open_files(str(path))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(b"", "no tar", id="empty file"),
        pytest.param(b"hello", "no tar", id="text"),
        pytest.param(b"\x1f\x8b" + b"x" * 600, "no tar", id="gzip"),
        pytest.param(tar([INDEX])[:100], "no tar", id="ends in its first header"),
    ],
)
def test_refuses_what_is_no_tar(tmp_path: Path, data: bytes, problem: str) -> None:
    with pytest.raises(BundleError, match=problem):
        open_tar(tmp_path / "bundle.tar", data)


def test_says_that_a_compressed_tar_is_not_taken(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no tar"):
        open_tar(tmp_path / "bundle.tar", tar([INDEX], "w:gz"))


def test_a_file_that_lost_its_end_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar"
    files = open_tar(path, tar([INDEX, Member(BLOB, b"x" * 5000)]))
    os.truncate(path, 3000)
    with pytest.raises(BundleError, match=f"ends in the middle of {BLOB}"):
        files.digest(BLOB)


@pytest.mark.parametrize("shape", ["directory", "tar"])
def test_small_files_have_a_limit(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "bundle"
    if shape == "tar":
        path.write_bytes(tar([Member("index.json", b"x" * 11)]))
    else:
        path.mkdir()
        (path / "index.json").write_bytes(b"x" * 11)
    files = _layout.open_files(str(path))
    assert files.read("index.json", 11) == b"x" * 11
    with pytest.raises(BundleError, match="larger than 10 bytes"):
        files.read("index.json", 10)
    with pytest.raises(BundleError, match="has no oci-layout"):
        files.read("oci-layout", 10)


@pytest.mark.parametrize(
    ("name", "target", "problem"),
    [
        pytest.param("index.json", "/etc/passwd", "link or a special file", id="file"),
        pytest.param(BLOB, "/etc/passwd", "link or a special file", id="blob"),
        pytest.param("extra", "/etc", "no file of a bundle", id="unknown name"),
    ],
)
def test_refuses_a_directory_with_a_symlink(tmp_path: Path, name: str, target: str, problem: str) -> None:
    (tmp_path / "blobs/sha256").mkdir(parents=True)
    (tmp_path / name).symlink_to(target)
    with pytest.raises(BundleError, match=problem):
        _layout.open_files(str(tmp_path))


def test_refuses_a_directory_whose_blobs_are_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "blobs").symlink_to("/")
    with pytest.raises(BundleError, match="no file of a bundle"):
        _layout.open_files(str(tmp_path))


def test_refuses_a_directory_with_a_named_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "index.json")
    with pytest.raises(BundleError, match="link or a special file"):
        _layout.open_files(str(tmp_path))


def test_refuses_a_directory_with_more_in_it(tmp_path: Path) -> None:
    (tmp_path / "blobs/sha256/deep").mkdir(parents=True)
    with pytest.raises(BundleError, match=r"blobs/sha256/deep.*no file of a bundle"):
        _layout.open_files(str(tmp_path))


def test_says_that_nothing_is_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no bundle at") as error:
        _layout.open_files(str(tmp_path / "nowhere"))
    assert "the host that runs Ansible" in error.value.next_step


def test_the_tar_puts_small_files_first() -> None:
    layer, document = "blobs/sha256/" + "0" * 64, "blobs/sha256/" + "f" * 64
    names = [layer, document, *reversed(_layout.HEAD)]
    assert _layout.tar_order(names, {document}) == [*_layout.HEAD, document, layer]


def test_the_tar_tells_nothing_of_who_made_it(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_bytes(b"{}")
    os.chmod(tmp_path / "index.json", 0o600)
    target = io.BytesIO()
    _layout.write_tar(_layout.open_files(str(tmp_path)), ["index.json"], target)
    target.seek(0)
    with tarfile.open(fileobj=target) as archive:
        (member,) = archive.getmembers()
    assert (member.mtime, member.uid, member.gid, member.uname, member.gname, member.mode) == (0, 0, 0, "", "", 0o644)
