# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Layers out of what engines save, in each of their layouts."""

from __future__ import annotations

import gzip
import io
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._reference import hex_of
from ansible_collections.airlift.registry.plugins.module_utils._saved_layers import take_layers
from ansible_collections.airlift.registry.tests.unit.plugins.support import images
from ansible_collections.airlift.registry.tests.unit.plugins.support.images import Member, tar

WANTED, SAME_SIZE, OTHER = images.layer("wanted"), images.layer("weird!"), images.layer("x" * 20_000)
DIFF = f"sha256:{images.sha256(WANTED)}"
BLOBS = "blobs/sha256/"


def take(place: Path, archive: bytes | io.BytesIO, wanted: dict[str, int] | None = None) -> set[str]:
    stream = io.BytesIO(archive) if isinstance(archive, bytes) else archive

    def path_of(name: str) -> str:
        return str(place / (hex_of(name) if ":" in name else name))

    return take_layers(stream, wanted or {DIFF: len(WANTED)}, path_of, "The saved image")


LAYOUTS: list[t.Any] = [
    pytest.param([Member("v1/json", b"{}"), Member("v1/layer.tar", SAME_SIZE), Member("v2/layer.tar", WANTED)], id="docker 20.10: names of its own"),
    pytest.param([Member(BLOBS + images.sha256(OTHER), OTHER), Member(BLOBS + images.sha256(WANTED), WANTED)], id="docker 25 and later"),
    pytest.param([Member(BLOBS + "aa", gzip.compress(OTHER)), Member(BLOBS + "bb", gzip.compress(WANTED))], id="containerd's store: as it came"),
    pytest.param([Member(images.sha256(OTHER) + ".tar", OTHER), Member(images.sha256(WANTED) + ".tar", WANTED)], id="podman"),
]  # fmt: skip


@pytest.mark.parametrize("members", LAYOUTS)
def test_finds_a_layer_by_its_content(tmp_path: Path, members: list[Member]) -> None:
    assert take(tmp_path, tar(members)) == {DIFF}
    assert (tmp_path / hex_of(DIFF)).read_bytes() == WANTED


def test_finds_several_in_one_stream(tmp_path: Path) -> None:
    other = f"sha256:{images.sha256(OTHER)}"
    wanted = {DIFF: len(WANTED), other: len(OTHER)}
    assert take(tmp_path, tar([Member("a/layer.tar", OTHER), Member("b/layer.tar", WANTED)]), wanted) == set(wanted)
    assert (tmp_path / hex_of(other)).read_bytes() == OTHER


def test_reads_no_further_than_it_must(tmp_path: Path) -> None:
    stream = io.BytesIO(tar([Member("a/layer.tar", WANTED), Member("b/layer.tar", bytes(30_000_000))]))
    assert take(tmp_path, stream) == {DIFF}
    assert stream.tell() < 3_000_000


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([], id="empty"),
        pytest.param([Member("a/layer.tar", OTHER)], id="another layer"),
        pytest.param([Member("a/layer.tar", SAME_SIZE)], id="another layer of the same size"),
        pytest.param([Member("a", gzip.compress(bytes(50_000_000)))], id="a layer that becomes far larger than what is wanted"),
    ],
)  # fmt: skip
def test_says_that_it_is_not_there(tmp_path: Path, members: list[Member]) -> None:
    assert take(tmp_path, tar(members)) == set()
    assert not (tmp_path / hex_of(DIFF)).exists()
    assert all(os.path.getsize(path) <= len(WANTED) for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    "archive",
    [
        pytest.param(b"no tar" * 1000, id="no archive"),
        pytest.param(tar([Member("a/layer.tar", WANTED)])[:700], id="cut short in the layer"),
        pytest.param(tar([Member("a", gzip.compress(WANTED)[:-10])]), id="a damaged layer"),
    ],
)
def test_an_archive_that_is_damaged_is_an_error(tmp_path: Path, archive: bytes) -> None:
    with pytest.raises(InputError, match="cut short"):
        take(tmp_path, archive)
