# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Torrents as real tools make and read them, and the commands of members and tracker."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _swarm
from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError
from ansible_collections.airlift.registry.plugins.module_utils._oci import digest_of
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program

CONTENTS = [b"one", b"two" * 30_000, b"three"]


@pytest.fixture
def content(tmp_path: Path) -> Path:
    place = tmp_path / "blobs"
    place.mkdir()
    for data in CONTENTS:
        (place / digest_of(data)[7:]).write_bytes(data)
    return place


def torrent(content: Path, source: str = "site") -> _swarm.Torrent:
    path = str(content.parent / f"{source}.torrent")
    _swarm.make_torrent(str(content), path, "http://192.0.2.1:6969/announce", source, 15, run_program)
    return _swarm.read_torrent(path, run_program)


def test_a_torrent_knows_every_blob_by_its_digest(content: Path) -> None:
    indices = torrent(content).indices
    assert set(indices) == {digest_of(data) for data in CONTENTS}
    assert sorted(indices.values()) == [1, 2, 3]


def test_another_source_is_another_swarm_of_the_same_files(content: Path) -> None:
    one, other = torrent(content, "one"), torrent(content, "other")
    assert one.indices == other.indices
    assert one.info_hash != other.info_hash


@pytest.mark.parametrize(
    ("size", "exponent"),
    [(0, 15), (1, 15), (63 * 2**20, 15), (64 * 2**20, 16), (2**30, 20), (10 * 2**30, 22), (10**15, 22)],
)
def test_pieces_are_one_to_two_thousand_within_bounds(size: int, exponent: int) -> None:
    assert _swarm.piece_exponent(size) == exponent


def test_what_is_no_torrent_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.torrent").write_bytes(b"x")
    with pytest.raises(HostError, match="is no torrent of blobs"):
        _swarm.read_torrent(str(tmp_path / "x.torrent"), run_program)
    with pytest.raises(HostError, match="is no torrent of blobs"):
        _swarm.parse_listing("Info Hash: " + "0" * 40 + "\nFiles:\n  1|./blobs/../../etc/passwd\n", "x.torrent")


def test_names_the_package_that_is_missing() -> None:
    with pytest.raises(HostError, match="aria2c is missing") as error:
        _swarm.read_torrent("x", lambda _command, _data: (127, "", "not found"))
    assert "Install the package aria2" in error.value.next_step


@pytest.mark.parametrize(("address", "without_ipv6"), [("192.0.2.7", "true"), ("2001:db8::7", "false")])
def test_a_member_listens_on_its_address_alone(address: str, without_ipv6: str) -> None:
    command = _swarm.Member("/d", address, 6881, 100, 200).command("/d/torrent", [1, 3], "/d/hook")
    for option in (
        f"--interface={address}",
        f"--disable-ipv6={without_ipv6}",
        "--listen-port=6881",
        "--enable-dht=false",
        "--bt-enable-lpd=false",
        "--max-overall-upload-limit=100",
        "--max-overall-download-limit=200",
        "--select-file=1,3",
        "--on-bt-download-complete=/d/hook",
    ):
        assert option in command
    assert command[-1] == "/d/torrent"


def test_wrong_pieces_are_counted_by_their_length(content: Path) -> None:
    torrent(content)
    log = content.parent / "log"
    for said, count in ((b"", 0), (b"11/25 19:36:11 [INFO] CUID#14 - we got wrong piece. index=141\n[ERROR] x\n", 1)):
        log.write_bytes(said * 3)
        assert _swarm.wrong_bytes(str(log), str(content.parent / "site.torrent")) == 3 * count * 2**15
