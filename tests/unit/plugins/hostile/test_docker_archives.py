# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hostile docker archives: each gets one clear error, touches nothing outside, and costs little."""

from __future__ import annotations

import gzip
import itertools
import json
import lzma
import typing as t
from pathlib import Path

import pytest
import zstandard

from ansible_collections.airlift.registry.tests.unit.plugins.hostile.conftest import Refuses
from ansible_collections.airlift.registry.tests.unit.plugins.hostile.test_bundles import (
    DEEP,
    MIB,
    NO_FILE,
    NO_TAR,
    TARS,
    WIDE,
)
from ansible_collections.airlift.registry.tests.unit.plugins.support.images import Saved, blobs_archive, layer, tar
from ansible_collections.airlift.registry.tests.unit.plugins.support.raw_tar import END, base_256, header, member

WHOLE = tar(blobs_archive(Saved([layer("base"), layer("top")])))
NAMES = [b"%064x/layer.tar" % number for number in range(2000)]


@pytest.fixture
def refuses_archive(tmp_path: Path, refuses: Refuses) -> t.Callable[[t.Iterable[bytes], str], None]:
    def check(pieces: t.Iterable[bytes], problem: str) -> None:
        path = tmp_path / "a.tar"
        with open(path, "wb") as target:
            target.writelines(pieces)
        (tmp_path / "store").mkdir()
        refuses("archive", path, tmp_path / "store", problem, inside=tmp_path / "store")
        path.unlink()

    return check


RefusesArchive = t.Callable[[t.Iterable[bytes], str], None]
LEGAL = ("a directory is a link", "two slashes", "a slash at the end")  # in an archive, where names are only names
TRICKS = [found for found in TARS if found.values[1] in (NO_TAR, NO_FILE) and found.id not in LEGAL]


@pytest.mark.parametrize(
    "before", [parameter.values[0] for parameter in TRICKS], ids=[str(found.id) for found in TRICKS]
)
def test_what_is_no_bundle_is_no_archive(refuses_archive: RefusesArchive, before: t.Any) -> None:
    """The tricks of a tar's headers, before a whole archive."""
    refuses_archive([*(before() if callable(before) else before), WHOLE], "a.tar")


def manifest(text: bytes) -> bytes:
    return member(b"manifest.json", text)


def linked(length: int) -> list[bytes]:
    """Links in a row, and a manifest that has each of them as a layer many times."""
    links = [member(name, kind=b"2", link=b"../" + after) for name, after in itertools.pairwise(NAMES[: length + 1])]
    config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": []}}).encode()
    entry = {"Config": "0" * 64 + ".json", "RepoTags": [], "Layers": [NAMES[0].decode()] * 20_000}
    return [*links, member(b"0" * 64 + b".json", config), manifest(json.dumps([entry]).encode())]


CASES = [
    pytest.param([manifest(DEEP)], "is not JSON", id="a deep manifest"),
    pytest.param([manifest(WIDE)], "too many values", id="a manifest of a million lists"),
    pytest.param([manifest(b"\xff\xfe")], "is not JSON", id="a manifest that is no text"),
    pytest.param([manifest(b" " * 5 * MIB)], "no manifest.json", id="a huge manifest"),
    pytest.param([member(b"%064x.json" % number, b"{" + b" " * MIB + b"}") for number in range(20)], "bytes of documents", id="20 MiB of configs"),
    pytest.param([member(b"manifest.json", kind=b"2", link=b"/etc/passwd")], "no manifest.json", id="the manifest is a symbolic link"),
    pytest.param([member(b"manifest.json", kind=b"1", link=b"manifest.json")], "no manifest.json", id="the manifest is a link to itself"),
    pytest.param([member(b"manifest.json", kind=b"6")], "a special file", id="the manifest is a pipe"),
    pytest.param([header(b"manifest.json", 0, b"Z", size=base_256(1 << 48))], "a.tar", id="an unknown kind of 256 TiB"),
    pytest.param([header(b"blobs/sha256/" + b"a" * 64, 0, size=base_256(1 << 48)), b"x" * 4096], "is cut short", id="a layer of 256 TiB"),
    pytest.param(linked(2000), "lacks", id="layers that are links without end"),
    pytest.param([*linked(3), member(NAMES[2], kind=b"2", link=b"../" + NAMES[0])], "lacks", id="layers that are links in a circle"),
    pytest.param([member(NAMES[0], kind=b"2", link=b"../../../../etc/passwd"), *linked(0)], "lacks", id="a layer that is a link out of the archive"),
    pytest.param([member(b"x" * 60, kind=b"5")] * 3, "is no image", id="directories of another archive"),
]  # fmt: skip


@pytest.mark.parametrize(("pieces", "problem"), CASES)
def test_an_archive(refuses_archive: RefusesArchive, pieces: list[bytes], problem: str) -> None:
    refuses_archive([*pieces, END], problem)


def squeezed(name: bytes, size: int, first: bytes = b"") -> bytes:
    """A compressed archive with one file of many times its size."""
    return gzip.compress(header(name, size) + first + bytes(size - len(first)) + END, 1)


def wide_window() -> bytes:
    """A zstd frame whose header names a window of 1 GiB (zstd format, "Window_Descriptor")."""
    return b"\x28\xb5\x2f\xfd\x00" + bytes([20 << 3]) + bytes(100)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        pytest.param(lambda: squeezed(b"manifest.json", 150 * MIB, b"["), "no manifest.json", id="a manifest"),
        pytest.param(
            lambda: squeezed(b"blobs/sha256/" + b"a" * 64, 150 * MIB, b"{"), "no manifest.json", id="a config"
        ),
        pytest.param(lambda: gzip.compress(gzip.compress(WHOLE)), "is no archive", id="twice compressed"),
        pytest.param(lambda: gzip.compress(bytes(150 * MIB), 1), "no manifest.json", id="nothing"),
        pytest.param(lambda: zstandard.compress(bytes(150 * MIB)), "no manifest.json", id="nothing, by zstd"),
        pytest.param(lambda: lzma.compress(bytes(150 * MIB), preset=0), "no manifest.json", id="nothing, by xz"),
        pytest.param(
            lambda: zstandard.compress(squeezed(b"manifest.json", 150 * MIB, b"[")),
            "is no archive",
            id="a manifest, twice compressed",
        ),
        pytest.param(wide_window, "bytes of memory to decompress", id="a window of 1 GiB, by zstd"),
        pytest.param(
            lambda: lzma.compress(bytes(MIB), filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}]),
            "bytes of memory to decompress",
            id="a dictionary of 1 GiB, by xz",
        ),
        pytest.param(
            lambda: tar(blobs_archive(Saved([gzip.compress(bytes(150 * MIB), 1)]))), "are not those", id="a layer"
        ),
    ],
)
def test_a_bomb(refuses_archive: RefusesArchive, make: t.Callable[[], bytes], problem: str) -> None:
    refuses_archive([make()], problem)
