# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""A swarm: the hosts of a site get blobs from each other, by BitTorrent. Torrents are made by mktorrent(1), members are aria2(1), the
tracker is opentracker.

A torrent is one directory, C(blobs), whose files are named by the hexadecimal digests of the blobs. The pieces' SHA-1 keeps honest members
going; what is believed are our own digests, of every blob that has arrived.
"""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError
from ansible_collections.airlift.registry.plugins.module_utils._signature import Run

NAME = "blobs"
# Of 2^15 to 2^22 bytes, up to this many pieces: what several hosts ask the seed for at once comes several times, and of larger pieces that is more
# (docs/guides/large-fleets.md). With smaller ones hosts would tell each other more than they send.
_PIECES = 2048
_SMALLEST, _LARGEST = 15, 22
# A member tells each peer of each piece that it gets, in some 75 bytes with their headers, so that must not be everybody of a large site. As aria2 has it.
_PEERS = 55

# $0 is a directory. aria2 says of a piece that it is wrong among all that it says at this level; only that and what is worse gets into the log.
_COUNTED = 'mkfifo -m 600 "$0/said" && { grep --line-buffered -e "wrong piece" -e WARN -e ERROR < "$0/said" & } && exec "$@" > "$0/said" 2>&1'
_WRONG = b"we got wrong piece"

_LISTED = re.compile(rf"^ *([0-9]+)\|(?:\./)?{NAME}/([0-9a-f]{{64}})$", re.MULTILINE)


@dataclass(frozen=True)
class Member:
    """One aria2: its directory, the address and the port that it listens on, and the most bytes per second each way (0: no limit)."""

    directory: str
    address: str
    port: int
    upload_limit: int
    download_limit: int = 0

    def counted(self, torrent: str, indices: t.Sequence[int], hook: str) -> list[str]:
        """The same command, whose output tells of each wrong piece."""
        return ["sh", "-c", _COUNTED, self.directory, *self.command(torrent, indices, hook, "info")]

    def command(self, torrent: str, indices: t.Sequence[int], hook: str = "", level: str = "warn") -> list[str]:
        """The command that gets these files of a torrent, and gives to others what it has."""
        return [
            "aria2c",
            "--no-conf",
            "--disable-ipv6=" + ("false" if ":" in self.address else "true"),
            f"--interface={self.address}",
            f"--bt-external-ip={self.address}",
            f"--listen-port={self.port}",
            "--enable-dht=false",
            "--enable-dht6=false",
            "--bt-enable-lpd=false",
            f"--bt-max-peers={_PEERS}",
            "--bt-tracker-interval=5",
            "--seed-ratio=0",
            "--check-integrity=true",
            "--file-allocation=none",
            "--summary-interval=0",
            f"--console-log-level={level}",
            "--enable-color=false",
            "--show-console-readout=false",
            f"--max-overall-upload-limit={self.upload_limit}",
            f"--max-overall-download-limit={self.download_limit}",
            f"--dir={self.directory}",
            f"--select-file={','.join(map(str, indices))}",
            *([f"--on-bt-download-complete={hook}"] if hook else []),
            torrent,
        ]


def tracker_command(directory: str, address: str, port: int, allowed: str) -> list[str]:
    """A tracker that knows only the torrents whose info hashes the file I(allowed) in I(directory) lists."""
    return [
        "opentracker",
        "-i",
        address,
        "-p",
        str(port),
        "-P",
        str(port),
        "-u",
        "nobody",
        "-d",
        directory,
        "-w",
        allowed,
    ]


def piece_exponent(size: int) -> int:
    """The piece length for I(size) bytes, as a power of two."""
    return min(_LARGEST, max(_SMALLEST, (size // _PIECES).bit_length()))


def make_torrent(content: str, path: str, announce: str, source: str, exponent: int, run: Run) -> None:
    """Write the torrent of the directory I(content) to I(path). Torrents of another I(source) are other swarms, of the same files."""
    command = ["mktorrent", "-d", "-n", NAME, "-l", str(exponent), "-s", source, "-a", announce, "-o", path, content]
    _call(command, "make a torrent", run)


@dataclass(frozen=True)
class Torrent:
    """What a torrent has: its info hash, and the index of each file by the digest of the blob."""

    info_hash: str
    indices: t.Mapping[str, int]


def read_torrent(path: str, run: Run) -> Torrent:
    """Look into a torrent; raises HostError when it is none."""
    listing = _call(["aria2c", "--no-conf", "--show-files", path], "read a torrent", run)
    return parse_listing(listing, path)


def parse_listing(listing: str, path: str) -> Torrent:
    """A torrent as C(aria2c --show-files) tells of it."""
    info_hash = re.search(r"^Info Hash: ([0-9a-f]{40})$", listing, re.MULTILINE)
    indices = {f"sha256:{digest}": int(index) for index, digest in _LISTED.findall(listing)}
    if not info_hash or not indices:
        raise HostError(f"{path} is no torrent of blobs", "Run this again; it is made anew.")
    return Torrent(info_hash[1], indices)


def wrong_bytes(log: str, torrent: str) -> int:
    """The bytes of the pieces, by what the output of C(Member.counted) in I(log) says, that came and were not those of the torrent."""
    with open(torrent, "rb") as stream:
        length = re.search(rb"12:piece lengthi([0-9]+)e", stream.read())
    with open(log, "rb") as stream:
        return sum(_WRONG in line for line in stream) * (int(length[1]) if length else 0)


def size_on_disk(directory: str) -> int:
    """The bytes that have arrived below a directory; files that are being filled have holes."""
    return sum(bytes_of(os.path.join(place, name)) for place, _names, names in os.walk(directory) for name in names)


def bytes_of(path: str) -> int:
    """The bytes of a file that have arrived; none when there is no file."""
    try:
        return os.stat(path).st_blocks * 512
    except FileNotFoundError:
        return 0


def _call(command: t.Sequence[str], what: str, run: Run) -> str:
    code, out, err = run(command, None)
    if code == 127:
        raise HostError(
            f"{command[0]} is missing, so this host cannot {what}",
            f"Install the package {'aria2' if command[0] == 'aria2c' else command[0]}, or preload without the swarm.",
        )
    if code != 0:
        raise HostError(f"{command[0]} could not {what}: {(err or out).strip()}", "Run this again.")
    return out
