# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images made by hand: tars, layers, configs, and the archives that docker save writes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import struct
import tarfile
import typing as t
from dataclasses import dataclass, field

PLATFORM = {"os": "linux", "architecture": "amd64"}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Member:
    """A tar member: a file unless I(type) says something else."""

    name: str
    content: bytes = b""
    type: bytes = tarfile.REGTYPE
    link: str = ""
    mode: int = 0o644


def tar(members: t.Iterable[Member], mode: str = "w") -> bytes:
    """The bytes of a tar."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=t.cast(t.Any, mode), format=tarfile.GNU_FORMAT) as archive:
        for member in members:
            info = tarfile.TarInfo(member.name)
            info.size, info.type, info.linkname = len(member.content), member.type, member.link
            info.mode = member.mode
            archive.addfile(info, io.BytesIO(member.content))
    return target.getvalue()


def layer(text: str) -> bytes:
    """The uncompressed tar of a layer with one file."""
    return tar([Member("etc/motd", text.encode())])


def program(text: str) -> bytes:
    """A program for Linux on x86-64 that says one line, and needs nothing else in its image."""
    said = f"{text}\n".encode()
    code = (
        b"\xb8\x01\x00\x00\x00"  # mov eax, 1 (write)
        b"\xbf\x01\x00\x00\x00"  # mov edi, 1 (standard output)
        b"\x48\x8d\x35\x10\x00\x00\x00"  # lea rsi, [rip + 16]: what follows the code
        b"\xba" + struct.pack("<I", len(said)) + b"\x0f\x05"  # mov edx, length; syscall
        b"\xb8\x3c\x00\x00\x00\x31\xff\x0f\x05"  # mov eax, 60 (exit); xor edi, edi; syscall
    )
    size, address = 64 + 56 + len(code) + len(said), 0x400000
    header = (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, address + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, address, address, size, size, 0x1000)
    return header + segment + code + said


def runnable(text: str) -> bytes:
    """The uncompressed tar of a layer with a program that says the text."""
    return tar([Member("say", program(text), mode=0o755)])


def config(layers: t.Sequence[bytes], **changes: t.Any) -> bytes:
    """The configuration of an image with these uncompressed layers."""
    diff_ids = [f"sha256:{sha256(content)}" for content in layers]
    document = {**PLATFORM, "created": "2026-01-02T03:04:05Z", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    return json.dumps({**document, **changes}).encode()


@dataclass(frozen=True)
class Saved:
    """An image as docker save has it."""

    layers: t.Sequence[bytes]
    tags: t.Sequence[str] | None = ("app:v1",)
    changes: t.Mapping[str, t.Any] = field(default_factory=dict)

    @property
    def config(self) -> bytes:
        return config(self.layers, **self.changes)

    @property
    def id(self) -> str:
        return f"sha256:{sha256(self.config)}"


def blobs_archive(*images: Saved) -> list[Member]:
    """The members of an archive as Docker 25 and later write it."""
    blobs = {sha256(content): content for image in images for content in (image.config, *image.layers)}
    manifest = [
        {
            "Config": f"blobs/sha256/{sha256(image.config)}",
            "RepoTags": image.tags,
            "Layers": [f"blobs/sha256/{sha256(content)}" for content in image.layers],
        }
        for image in images
    ]
    return [
        Member("blobs", type=tarfile.DIRTYPE),
        Member("blobs/sha256", type=tarfile.DIRTYPE),
        *(Member(f"blobs/sha256/{digest}", content) for digest, content in sorted(blobs.items())),
        Member("index.json", b'{"schemaVersion":2,"manifests":[]}'),
        Member("manifest.json", json.dumps(manifest).encode()),
        Member("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'),
    ]


def legacy_archive(*images: Saved) -> list[Member]:
    """The members of an archive as Docker 20.10 writes it: a directory per layer, with links between equal ones."""
    members: list[Member] = []
    manifest = []
    homes: dict[str, str] = {}
    for number, image in enumerate(images):
        names = []
        for depth, content in enumerate(image.layers):
            home = sha256(f"{number}/{depth}".encode())
            names.append(f"{home}/layer.tar")
            members += [
                Member(home, type=tarfile.DIRTYPE),
                Member(f"{home}/VERSION", b"1.0"),
                Member(f"{home}/json", b"{}"),
            ]
            first = homes.setdefault(sha256(content), home)
            if first == home:
                members.append(Member(f"{home}/layer.tar", content))
            else:
                members.append(Member(f"{home}/layer.tar", type=tarfile.SYMTYPE, link=f"../{first}/layer.tar"))
        name = f"{sha256(image.config)}.json"
        members.append(Member(name, image.config))
        manifest.append({"Config": name, "RepoTags": image.tags, "Layers": names})
    return [*members, Member("manifest.json", json.dumps(manifest).encode()), Member("repositories", b"{}")]


def linked_archive(*images: Saved) -> list[Member]:
    """The members of an archive as podman and skopeo write it: layers by their digests, and a directory for each with a link to it."""
    layers = {sha256(content): content for image in images for content in image.layers}
    members = [Member(f"{digest}.tar", content) for digest, content in layers.items()]
    manifest = []
    for image in images:
        config = f"{sha256(image.config)}.json"
        names = [sha256(content) for content in image.layers]
        members += [
            entry
            for name in names
            for entry in (
                Member(f"{sha256(name.encode())}/VERSION", b"1.0"),
                Member(f"{sha256(name.encode())}/layer.tar", type=tarfile.SYMTYPE, link=f"../{name}.tar"),
                Member(f"{sha256(name.encode())}/json", b"{}"),
            )
        ]
        members.append(Member(config, image.config))
        manifest.append({"Config": config, "RepoTags": image.tags, "Layers": [f"{name}.tar" for name in names]})
    return [*members, Member("repositories", b"{}"), Member("manifest.json", json.dumps(manifest).encode())]


def named_archive(image: Saved, config: str, layer: str) -> list[Member]:
    """The members of an archive whose files are named as other builders do, with compressed layers; C({hex}) is the digest."""
    blobs = [gzip.compress(content, mtime=0) for content in image.layers]
    names = [layer.replace("{hex}", sha256(blob)) for blob in blobs]
    config = config.replace("{hex}", sha256(image.config))
    manifest = [{"Config": config, "RepoTags": image.tags, "Layers": names}]
    return [
        Member(config, image.config),
        *(Member(name, blob) for name, blob in zip(names, blobs, strict=True)),
        Member("manifest.json", json.dumps(manifest).encode()),
    ]
