# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hostile bundles: each gets one clear error, touches nothing outside, and costs little."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _layout, _oci
from ansible_collections.airlift.registry.plugins.module_utils._lock import Lock, format_lock
from ansible_collections.airlift.registry.tests.unit.plugins.hostile.conftest import Refuses
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer, seal
from ansible_collections.airlift.registry.tests.unit.plugins.support.raw_tar import (
    END,
    base_256,
    header,
    member,
    pax,
    sealed,
)

MIB = 1 << 20
BLOB = b"blobs/sha256/" + b"a" * 64
Pieces = t.Iterable[bytes]
NO_FILE, NO_TAR, SPECIAL = "which is no file of a bundle", "is no tar, or is damaged", "is a link or a special file"


def many(count: int) -> Pieces:
    for number in range(count):
        yield member(b"blobs/sha256/%064x" % number)


def sparse_map(blocks: int) -> Pieces:
    """A GNU sparse member whose map goes on for many blocks."""
    first = bytearray(header(b"index.json", 0, b"S"))
    first[482:483] = b"\x01"
    yield sealed(bytes(first))
    entry = b"%011o\0%011o\0" % (1, 1) * 21 + b"\x01" + bytes(7)
    for _number in range(blocks):
        yield entry


# The members that come before those of a whole bundle; what the error says.
TARS: list[t.Any] = [
    pytest.param([member(b"../evil", b"x")], NO_FILE, id="leaves the directory"),
    pytest.param([member(b"blobs/sha256/../../../evil", b"x")], NO_FILE, id="leaves the directory from below"),
    pytest.param([member(b"/etc/airlift-evil", b"x")], NO_FILE, id="an absolute path"),
    pytest.param([member(b"index.json", kind=b"2", link=b"/etc/passwd")], SPECIAL, id="a symbolic link"),
    pytest.param([member(BLOB, kind=b"2", link=b"../../../etc/passwd")], SPECIAL, id="a blob is a symbolic link"),
    pytest.param([member(b"index.json", kind=b"1", link=b"/etc/passwd")], SPECIAL, id="a hard link"),
    pytest.param([member(b"blobs", kind=b"2", link=b"/"), member(BLOB)], NO_FILE, id="a directory is a link"),
    pytest.param([member(b"index.json", kind=b"3")], SPECIAL, id="a character device"),
    pytest.param([member(b"index.json", kind=b"4")], SPECIAL, id="a block device"),
    pytest.param([member(b"index.json", kind=b"6")], SPECIAL, id="a pipe"),
    pytest.param([member(b"index.json", kind=b"Z")], SPECIAL, id="a kind that nobody knows"),
    pytest.param([member(b"index.json", b"{}")], "has index.json twice", id="a file twice"),
    pytest.param([member(b"./index.json", b"{}")], "has index.json twice", id="a file twice, with ./ before it"),
    pytest.param([member(b".//index.json", b"{}")], NO_FILE, id="two slashes"),
    pytest.param([member(b"index.json/", b"{}")], NO_FILE, id="a slash at the end"),
    pytest.param([member(b"INDEX.JSON", b"{}")], NO_FILE, id="upper case"),
    pytest.param([member(b"blobs/sha256/" + b"A" * 64, b"{}")], NO_FILE, id="a digest in upper case"),
    pytest.param([member(b"x\xff\xfe", b"")], NO_FILE, id="a name that is not UTF-8"),
    pytest.param([member(b"x\ny", b"")], NO_FILE, id="a name of two lines"),
    pytest.param([pax({b"path": b"index.json\0evil"}), member(b"x")], NO_FILE, id="a name with a null byte"),
    pytest.param([pax({b"path": b"x" * 60_000}), member(b"x")], NO_FILE, id="a very long name"),
    pytest.param([member(b"././@LongLink", b"x" * 60_000, b"L"), member(b"x")], NO_FILE, id="a very long GNU name"),
    pytest.param([member(b"././@LongLink", b"x" * 150 * MIB, b"L"), member(b"x")], NO_TAR, id="a GNU name of 150 MiB"),
    pytest.param([pax({b"comment": b"x" * 150 * MIB})], NO_TAR, id="an extended header of 150 MiB"),
    pytest.param([header(b"x", 0, b"L", size=base_256(-1)), b"x" * 150 * MIB], NO_TAR, id="a GNU name of negative length"),
    pytest.param([header(b"x", 0, b"x", size=base_256(-512)), b"x" * 150 * MIB], NO_TAR, id="an extended header of negative length"),
    pytest.param([pax({b"n%d" % number: b"x" * 60_000}, b"g") for number in range(3000)], NO_TAR, id="global headers without end"),
    pytest.param([member(b"", b"x", b"L") for _number in range(5000)], NO_TAR, id="a thousand names for one file"),
    pytest.param([pax({b"size": b"-1024"}), member(b"oci-layout")], NO_TAR, id="a negative size"),
    pytest.param([pax({b"size": b"-512"}), member(BLOB)], NO_TAR, id="a negative size that leads back to itself"),
    pytest.param([pax({b"size": b"9" * 30}), member(BLOB)], NO_TAR, id="a size of thirty digits"),
    pytest.param([pax({b"size": str(1 << 62).encode()}), member(BLOB)], NO_TAR, id="a size beyond every disk"),
    pytest.param([pax({b"size": b"9" * 5000}), member(BLOB)], "b.tar", id="a size of 5000 digits"),
    pytest.param([header(BLOB, 0, size=base_256(-512))], NO_TAR, id="a negative size in the header"),
    pytest.param([header(BLOB, 0, size=base_256(1 << 80))], NO_TAR, id="a huge size in the header"),
    pytest.param([header(BLOB, 0, size=b"77777777777\0")], NO_TAR, id="8 GiB that are not there"),
    pytest.param([header(BLOB, 0, size=b"0x7fffffffff")], NO_TAR, id="a size that is no number"),
    pytest.param([header(b"index.json", 0, b"S")], NO_TAR, id="a sparse file"),
    pytest.param(lambda: sparse_map(300_000), NO_TAR, id="a sparse file with a map of 150 MiB"),
    pytest.param([pax({b"GNU.sparse.map": b"0,1,x", b"GNU.sparse.size": b"1"}), member(BLOB)], NO_TAR, id="a sparse file of PAX 0.1"),
    pytest.param([pax({b"GNU.sparse.size": b"x", b"GNU.sparse.numblocks": b"1"}), member(BLOB)], NO_TAR, id="a sparse file of PAX 0.0"),
    pytest.param(
        [pax({b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0", b"GNU.sparse.realsize": b"9" * 12}), member(BLOB, b"99999999999\n" + b"1\n" * 60 * MIB)],
        NO_TAR, id="a sparse file of PAX 1.0 with a map of 120 MiB",
    ),
    pytest.param(lambda: many(70_000), "files", id="more files than any bundle has"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "problem"), TARS)
def test_a_tar(
    tmp_path: Path, whole_bundle: Path, signer: Signer, refuses: Refuses, before: t.Any, problem: str
) -> None:
    path = tmp_path / "b.tar"
    with open(path, "wb") as target:
        target.writelines(before() if callable(before) else before)
        files = _layout.DirectoryFiles(str(whole_bundle))
        target.writelines(member(name.encode(), (whole_bundle / name).read_bytes()) for name in sorted(files.sizes()))
        target.write(END)
    verdict = refuses("bundle", path, signer.allowed_signers, problem)
    assert str(path) in verdict.problem
    path.unlink()


def bomb(path: Path) -> None:
    """A tar that is compressed, and whose first file is larger than the memory that may be used."""
    with gzip.open(path, "wb", 1) as target:
        target.write(header(b"oci-layout", 256 * MIB))
        for _number in range(256):
            target.write(bytes(MIB))


def endless(path: Path) -> None:
    with open(path, "wb") as target:
        target.truncate(1 << 40)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(bomb, id="a gzip bomb"),
        pytest.param(endless, id="nothing, 1 TiB of it"),
        pytest.param(lambda path: path.write_bytes(b""), id="an empty file"),
        pytest.param(lambda path: path.write_bytes(os.urandom(4096)), id="noise"),
        pytest.param(lambda path: path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(600)), id="something like zstd"),
    ],
)
def test_no_tar(tmp_path: Path, signer: Signer, refuses: Refuses, make: t.Callable[[Path], t.Any]) -> None:
    path = tmp_path / "b.tar"
    make(path)
    refuses("bundle", path, signer.allowed_signers, str(path))


def listen(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as found:
        # The path of a socket is short, so it is made where it is.
        directory = os.open(path.parent, os.O_RDONLY)
        found.bind(f"/proc/self/fd/{directory}/{path.name}")
        os.close(directory)


def replaced(name: str, make: t.Callable[[Path], t.Any]) -> t.Callable[[Path], None]:
    def change(path: Path) -> None:
        (path / name).unlink()
        make(path / name)

    return change


def moved(name: str) -> t.Callable[[Path], None]:
    """A directory of the bundle is a link to where it was moved."""

    def change(path: Path) -> None:
        shutil.move(path / name, path.parent / "elsewhere")
        (path / name).symlink_to(path.parent / "elsewhere")

    return change


DIRECTORIES = [
    pytest.param(replaced("index.json", lambda path: path.symlink_to("/etc/passwd")), SPECIAL, id="a symbolic link"),
    pytest.param(replaced("index.json", os.mkfifo), SPECIAL, id="a pipe that nobody writes to"),
    pytest.param(replaced("index.json", listen), SPECIAL, id="a socket"),
    pytest.param(replaced("index.json", os.mkdir), "index.json", id="a directory"),
    pytest.param(moved("blobs"), NO_FILE, id="the blobs are elsewhere"),
    pytest.param(moved("blobs/sha256"), NO_FILE, id="the blobs of sha256 are elsewhere"),
    pytest.param(lambda path: (path / "blobs/blobs").mkdir(), NO_FILE, id="a directory more"),
    pytest.param(lambda path: (path / "blobs/md5").mkdir(), NO_FILE, id="another algorithm"),
    pytest.param(lambda path: open(os.path.join(os.fsencode(path), b"x\xff"), "w").close(), NO_FILE, id="a name that is not UTF-8"),
    pytest.param(lambda path: (path / "x\ny").touch(), NO_FILE, id="a name of two lines"),
    pytest.param(lambda path: os.truncate(path / "SHA256SUMS", 1 << 40), "is larger than", id="checksums of 1 TiB"),
    pytest.param(lambda path: os.truncate(path / "SHA256SUMS.sig", 1 << 40), "is larger than", id="a signature of 1 TiB"),
    pytest.param(lambda path: os.truncate(path / "SHA256SUMS", 60 * MIB), "is larger than", id="checksums of 60 MiB"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "problem"), DIRECTORIES)
def test_a_directory(
    tmp_path: Path, bundle_copy: Path, signer: Signer, refuses: Refuses, change: t.Callable[[Path], t.Any], problem: str
) -> None:
    change(bundle_copy)
    refuses("bundle", bundle_copy, signer.allowed_signers, problem)


def append(name: str, *lines: bytes) -> t.Callable[[Path], None]:
    def change(path: Path) -> None:
        with open(path / name, "ab") as target:
            target.writelines(lines)

    return change


SUM = b"0" * 64
ODD = "has a line that is no checksum"

# Lines that the checksums have more, signed by somebody who is trusted.
SUMS = [
    pytest.param([SUM + b" *index.json\n"], ODD, id="as binary"),
    pytest.param([b"\\" + SUM + b"  index.json\n"], ODD, id="with a backslash"),
    pytest.param([SUM + b"  x.json\r\n"], ODD, id="with a carriage return"),
    pytest.param([SUM + b"  index.json\x0b" + SUM + b"  oci-layout\n"], ODD, id="two in one line"),
    pytest.param([b"\n"], ODD, id="an empty line"),
    pytest.param([b"\xff\xfe\n"], ODD, id="no text"),
    pytest.param([b"x" * 2 * MIB + b"\n"], ODD, id="a line of 2 MiB"),
    pytest.param([SUM + b"  index.json\n"], "twice", id="another checksum for the same file"),
    pytest.param([SUM + b"  ../../etc/passwd\n"], "is missing", id="a file elsewhere"),
    pytest.param([SUM + b"  /etc/passwd\n"], "is missing", id="a file at an absolute path"),
    pytest.param([SUM + b"  %d\n" % number for number in range(100_000)], "is missing", id="a hundred thousand files"),
    pytest.param([b"\n" * 7 * MIB], ODD, id="seven million lines"),
]


@pytest.mark.parametrize(("lines", "problem"), SUMS)
def test_checksums(bundle_copy: Path, signer: Signer, refuses: Refuses, lines: list[bytes], problem: str) -> None:
    append("SHA256SUMS", *lines)(bundle_copy)
    bundles.sign(bundle_copy, signer)
    refuses("bundle", bundle_copy, signer.allowed_signers, problem)


def blob(path: Path, content: bytes, media_type: str, **more: t.Any) -> dict[str, t.Any]:
    """Put a blob into the bundle; its descriptor."""
    (path / "blobs/sha256" / images.sha256(content)).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{images.sha256(content)}", "size": len(content), **more}


def first_manifest(path: Path) -> t.Any:
    (digest, *_more) = [entry["digest"] for entry in json.loads((path / "index.json").read_bytes())["manifests"]]
    return json.loads((path / _layout.blob_name(digest)).read_bytes())


def means(make: t.Callable[[Path], dict[str, t.Any]]) -> t.Callable[[Path], None]:
    """The first name of the bundle means what I(make) put there."""

    def change(path: Path) -> None:
        index = json.loads((path / "index.json").read_bytes())
        index["manifests"][0] = {**make(path), "annotations": index["manifests"][0]["annotations"]}
        (path / "index.json").write_text(json.dumps(index))

    return change


def manifest(**changes: t.Any) -> t.Callable[[Path], None]:
    """The same with another manifest."""
    return means(lambda path: blob(path, json.dumps({**first_manifest(path), **changes}).encode(), _oci.OCI_MANIFEST))


def nested(path: Path) -> dict[str, t.Any]:
    """An index in an index; one that lists itself cannot be made, as its digest would have to be in it."""
    entry = blob(path, b'{"schemaVersion":2,"manifests":[]}', _oci.OCI_INDEX)
    return blob(path, json.dumps({"manifests": [entry]}).encode(), _oci.OCI_INDEX)


def lies(path: Path) -> dict[str, t.Any]:
    return {**blob(path, b"{}", _oci.OCI_MANIFEST), "size": 1 << 40}


def config_of(content: t.Callable[[Path], bytes]) -> t.Callable[[Path], None]:
    return means(
        lambda path: blob(
            path,
            json.dumps({**first_manifest(path), "config": blob(path, content(path), _oci.OCI_CONFIG)}).encode(),
            _oci.OCI_MANIFEST,
        )
    )


DEEP = b'{"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
WIDE = b'{"x":[' + b"[]," * (4 * MIB // 3 - 10) + b"0]}"
KEYS = b"{" + b",".join(b'"%x":{}' % number for number in range(300_000)) + b"}"
FOREIGN = {
    "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "digest": f"sha256:{'0' * 64}",
    "size": 1,
}

# Documents, all signed by somebody who is trusted.
DOCUMENTS = [
    pytest.param(lambda path: (path / "index.json").write_bytes(DEEP), "is not JSON", id="a deep index"),
    pytest.param(lambda path: (path / "index.json").write_bytes(WIDE), "too many values", id="an index of a million lists"),
    pytest.param(lambda path: (path / "index.json").write_bytes(KEYS), "too many values", id="an index of many keys"),
    pytest.param(lambda path: os.truncate(path / "index.json", 1 << 32), "is larger than", id="an index of 4 GiB"),
    pytest.param(means(lambda path: blob(path, DEEP, _oci.OCI_MANIFEST)), "is not JSON", id="a deep manifest"),
    pytest.param(means(lambda path: blob(path, WIDE, _oci.OCI_MANIFEST)), "too many values", id="a manifest of a million lists"),
    pytest.param(means(lambda path: blob(path, b" " * 5 * MIB, _oci.OCI_MANIFEST)), "is larger than", id="a huge manifest"),
    pytest.param(means(lambda path: blob(path, b"{}", "application/vnd.evil+json")), "is not a descriptor", id="an unknown kind of manifest"),
    pytest.param(means(lambda path: blob(path, b"\xff\xfe{}", _oci.OCI_MANIFEST)), "is not JSON", id="a manifest that is no text"),
    pytest.param(means(nested), "is no manifest of an image", id="an index in an index"),
    pytest.param(means(lies), "is damaged", id="a manifest whose size lies"),
    pytest.param(manifest(layers=[FOREIGN]), "no part of an image", id="a layer that is elsewhere"),
    pytest.param(manifest(layers=[{**FOREIGN, "mediaType": _oci.OCI_LAYER_GZIP}] * 2), "is missing", id="a layer that is nowhere"),
    pytest.param(manifest(layers=[{**FOREIGN, "digest": "sha256:../../../../etc/passwd"}]), "no sha256 digest", id="a layer whose digest is a path"),
    pytest.param(manifest(config=FOREIGN), "is not an image manifest", id="a config of an unknown kind"),
    pytest.param(config_of(lambda _path: DEEP), "is not JSON", id="a deep config"),
    pytest.param(config_of(lambda _path: b'{"os":"linux","architecture":"amd64","rootfs":{"diff_ids":["../x"]}}'), "no list of diffIDs", id="a diffID that is a path"),
    pytest.param(lambda path: (path / "bundle.lock.yml").write_bytes(b"version: 1\n" + b"x" * 7 * MIB), "is none of version 1", id="a lock of one line"),
    pytest.param(lambda path: os.truncate(path / "bundle.lock.yml", 1 << 32), "is larger than", id="a lock of 4 GiB"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "problem"), DOCUMENTS)
def test_documents(
    bundle_copy: Path, signer: Signer, refuses: Refuses, change: t.Callable[[Path], t.Any], problem: str
) -> None:
    change(bundle_copy)
    small = {
        name: path
        for name in ("index.json", "bundle.lock.yml")
        if (path := bundle_copy / name).stat().st_size < 1 << 30
    }
    if len(small) == 2:
        seal(bundle_copy, signer)
    else:
        # Of what is too large to be read nobody needs a checksum.
        problem = "index.json" if "index.json" not in small else "bundle.lock.yml"
    refuses("bundle", bundle_copy, signer.allowed_signers, problem)


ITEM = b'  - {"digest":"sha256:' + b"a" * 64 + b'","diff_id":"sha256:' + b"a" * 64 + b'","size":1'
HEAD = format_lock(Lock("2026-01-02T03:04:05Z")) + b"blobs:\n"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(HEAD + b"  - {" + b'"x":[' * 100_000 + b"\n", id="deep"),
        pytest.param(HEAD + b'  - {"digest":[' + b"[]," * MIB + b"0]}\n", id="a million lists in one line"),
        pytest.param(HEAD + (b'  - {"digest":[' + b"[]," * 5000 + b"0]}\n") * 400, id="many lists in many lines"),
        pytest.param(
            HEAD + b"  - {" + b",".join(b'"%x":1' % number for number in range(400_000)) + b"}\n", id="many keys"
        ),
        pytest.param(HEAD + (ITEM + b"}\n") * 44_000 + b"x", id="many blobs, and something at the end"),
        pytest.param(HEAD + b"\n" * 7 * MIB, id="seven million lines"),
        pytest.param(HEAD + b"  - {}\n" * MIB, id="a million of nothing"),
        pytest.param(b"version: 1\n" + b"x" * 70 * MIB, id="70 MiB"),
    ],
)
def test_locks(tmp_path: Path, refuses: Refuses, data: bytes) -> None:
    (tmp_path / "bundle.lock.yml").write_bytes(data)
    refuses("lock", tmp_path / "bundle.lock.yml", tmp_path, "bundle.lock.yml")


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> Path:
    """What the same people signed before."""
    path = tmp_path_factory.mktemp("older") / "b"
    bundles.make_bundle(path, signer, {"docker.io/library/app:v1": [images.layer("with a hole")]})
    return path


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        pytest.param(["SHA256SUMS.sig"], "is wrong", id="the signature"),
        pytest.param(["SHA256SUMS", "SHA256SUMS.sig"], "blobs/sha256/", id="checksums and signature"),
        pytest.param(["index.json"], "index.json", id="the index"),
        pytest.param(["index.json", "bundle.lock.yml"], "is damaged", id="index and lock"),
        pytest.param(
            ["index.json", "manifest.json", "bundle.lock.yml", "SHA256SUMS", "SHA256SUMS.sig"],
            "blobs/sha256/",
            id="all that is signed",
        ),
    ],
)
def test_what_was_signed_for_another_bundle(
    bundle_copy: Path, older: Path, signer: Signer, refuses: Refuses, names: list[str], problem: str
) -> None:
    for name in names:
        shutil.copy(older / name, bundle_copy / name)
    refuses("bundle", bundle_copy, signer.allowed_signers, problem)
