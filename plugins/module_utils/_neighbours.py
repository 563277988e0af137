# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What the neighbours in a network say of themselves: who answers for an IPv4 address (ARP), and which virtual routers there are (VRRP)."""

from __future__ import annotations

import socket
import struct
import time
import typing as t
from contextlib import ExitStack
from pathlib import Path
from select import select

_ETHERNET = 1  # the type of an interface that has neighbours to ask
_ETH_P_ARP = 0x0806
_ARP = struct.Struct("!HHBBH6s4s6s4s")  # RFC 826: kinds of both addresses, their lengths, what it is, sender, target
_REQUEST = 1
_BROADCAST = b"\xff" * 6
_VRRP = 112  # its number as a protocol on IP
_VRRP_GROUP = "224.0.0.18"
_ADVERTISEMENT = 1
_PROBE_SECONDS = 0.3
_MAX_FRAME = 2048


class Answer(t.NamedTuple):
    """Who answers for an address; the hardware address as Linux writes it."""

    address: str
    mac: str


class Advertisement(t.NamedTuple):
    """Which virtual router somebody advertises."""

    source: str
    router_id: int


def arp_probe(mac: bytes, address: str) -> bytes:
    """A frame that asks who has an address, without saying that we do (RFC 5227, section 1.1)."""
    asked = _ARP.pack(1, 0x0800, 6, 4, _REQUEST, mac, bytes(4), bytes(6), socket.inet_aton(address))
    return _BROADCAST + mac + struct.pack("!H", _ETH_P_ARP) + asked


def read_arp(frame: bytes) -> Answer | None:
    """Which address the sender of a frame says to have; nothing when it says none."""
    if len(frame) < 14 + _ARP.size:
        return None
    _hardware, protocol, *_lengths, _what, mac, address, _to, _for = _ARP.unpack_from(frame, 14)
    if protocol != 0x0800 or address == bytes(4):
        return None
    return Answer(socket.inet_ntoa(address), mac.hex(":"))


def read_vrrp(packet: bytes) -> Advertisement | None:
    """What an IPv4 packet advertises (RFC 5798, section 5.1, the same in version 2); nothing when it is no advertisement."""
    start = (packet[0] & 0x0F) * 4 if packet else 0
    if len(packet) < start + 8 or packet[start] & 0x0F != _ADVERTISEMENT:
        return None
    return Advertisement(socket.inet_ntoa(packet[12:16]), packet[start + 1])


def ask(interface: str, addresses: t.Sequence[str], seconds: float) -> tuple[set[Answer], set[Advertisement]]:
    """Ask the neighbours for addresses, and listen to what is advertised meanwhile. Needs root; OSError when it may not."""
    answers: set[Answer] = set()
    advertised: set[Advertisement] = set()
    with ExitStack() as stack:
        arp = stack.enter_context(_arp_socket(interface))
        vrrp = stack.enter_context(_vrrp_socket(interface))
        for readable in _rounds([arp, vrrp], seconds, lambda: _probe(arp, interface, addresses)):
            data = readable.recv(_MAX_FRAME)
            if readable is arp:
                answers |= {found for found in [read_arp(data)] if found and found.address in addresses}
            else:
                advertised |= {entry for entry in [read_vrrp(data)] if entry}
    return answers, advertised


def _rounds(
    sockets: t.Sequence[socket.socket], seconds: float, probe: t.Callable[[], None]
) -> t.Iterator[socket.socket]:
    """The sockets that have something to read, until the time is over; asks again and again."""
    end = time.monotonic() + seconds
    due = 0.0
    while (now := time.monotonic()) < end:
        if now >= due:
            probe()
            due = now + _PROBE_SECONDS
        yield from select(sockets, [], [], min(due, end) - now)[0]


def _probe(arp: socket.socket, interface: str, addresses: t.Sequence[str]) -> None:
    if Path(f"/sys/class/net/{interface}/type").read_text(encoding="ascii").strip() != str(_ETHERNET):
        return
    mac = arp.getsockname()[4]
    for address in addresses:
        arp.send(arp_probe(mac, address))


def _arp_socket(interface: str) -> socket.socket:
    found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ARP))
    found.bind((interface, _ETH_P_ARP))
    return found


def _vrrp_socket(interface: str) -> socket.socket:
    """Gets what is sent to this host, and to the group of all virtual routers."""
    found = socket.socket(socket.AF_INET, socket.SOCK_RAW, _VRRP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    group = struct.pack("=4s4si", socket.inet_aton(_VRRP_GROUP), bytes(4), socket.if_nametoindex(interface))
    found.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    return found
