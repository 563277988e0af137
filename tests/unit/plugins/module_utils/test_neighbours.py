# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read out of the frames and packets of neighbours, whatever they send."""

from __future__ import annotations

import struct

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._neighbours import (
    Advertisement,
    Answer,
    arp_probe,
    read_arp,
    read_vrrp,
)

MAC = bytes.fromhex("525400123456")
HEADER = bytes.fromhex("ffffffffffff525400123456")  # to all, from MAC


def arp(what: int = 2, protocol: int = 0x0800, sender: bytes = b"\xc0\x00\x02\x0a") -> bytes:
    return (
        HEADER
        + b"\x08\x06"
        + struct.pack("!HHBBH6s4s6s4s", 1, protocol, 6, 4, what, MAC, sender, bytes(6), b"\xc0\x00\x02\x0b")
    )


def ip(payload: bytes, options: bytes = b"") -> bytes:
    length = 5 + len(options) // 4
    return bytes([0x40 | length]) + bytes(11) + b"\xc0\x00\x02\x0d" + b"\xe0\x00\x00\x12" + options + payload


def test_a_probe_asks_everybody_and_claims_nothing() -> None:
    frame = arp_probe(MAC, "192.0.2.10")
    assert frame[:14] == HEADER + b"\x08\x06"
    assert frame[14:] == bytes.fromhex("0001080006040001" + "525400123456" + "00000000" + "000000000000" + "c000020a")
    assert read_arp(frame) is None


@pytest.mark.parametrize("what", [1, 2], ids=["a request of its own", "an answer"])
def test_who_names_an_address_as_its_own_has_it(what: int) -> None:
    assert read_arp(arp(what)) == Answer("192.0.2.10", "52:54:00:12:34:56")


@pytest.mark.parametrize(
    "frame", [b"", arp()[:41], arp(protocol=0x86DD), arp(sender=bytes(4))], ids=["nothing", "cut", "not IPv4", "probe"]
)
def test_other_frames_name_no_address(frame: bytes) -> None:
    assert read_arp(frame) is None


VERSION_2, VERSION_3 = bytes([0x21, 51, 100, 1, 0, 1, 0, 0]), bytes([0x31, 51, 100, 1, 0, 10, 0, 0])


@pytest.mark.parametrize(
    "packet",
    [ip(VERSION_2), ip(VERSION_3), ip(VERSION_3, bytes(4))],
    ids=["version 2", "version 3", "with options of IP"],
)
def test_an_advertisement_names_its_router(packet: bytes) -> None:
    assert read_vrrp(packet) == Advertisement("192.0.2.13", 51)


@pytest.mark.parametrize(
    "packet",
    [b"", ip(VERSION_3)[:25], ip(bytes([0x32, 51, 0, 0, 0, 0, 0, 0]))],
    ids=["nothing", "cut", "of another type"],
)
def test_other_packets_name_no_router(packet: bytes) -> None:
    assert read_vrrp(packet) is None
