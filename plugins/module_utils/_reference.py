# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Image references, digests and image sources: text in, plain data out.

The grammar is that of the OCI distribution specification ("Pulling manifests": name and reference) and the short
forms are expanded as Docker does it, so that C(app) and C(docker.io/library/app:latest) are the same image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MAX_NAME = 255  # distribution specification: the limit that registries apply to host and name together

_REFERENCE_HELP = (
    "Write it as [HOST[:PORT]/]REPOSITORY[:TAG], in lower case, for example registry.example.com/team/app:1.0."
)

FILES = ("docker-archive", "oci", "oci-archive")
TRANSPORTS = ("docker", "docker-daemon", *FILES)
_SOURCE_HELP = (
    "Write docker://HOST/REPOSITORY:TAG for a registry, docker-daemon:REPOSITORY:TAG for an engine, docker-archive:PATH for a file that "
    "docker save wrote, oci:PATH for a directory with an OCI layout, or oci-archive:PATH for a tar of one."
)


@dataclass(frozen=True)
class Reference:
    """A normalized image reference: C(domain/path), and a tag, a digest or both."""

    domain: str
    path: str
    tag: str | None = None
    digest: str | None = None

    @property
    def repository(self) -> str:
        return f"{self.domain}/{self.path}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"


@dataclass(frozen=True)
class Source:
    """Where an image comes from, in skopeo's transport syntax."""

    transport: str
    location: str

    def __str__(self) -> str:
        separator = "://" if self.transport == "docker" else ":"
        return f"{self.transport}{separator}{self.location}"


def is_digest(text: str) -> bool:
    """Whether I(text) is a sha256 digest as the OCI image specification writes it ("Digests")."""
    return _DIGEST.fullmatch(text) is not None


def hex_of(digest: str) -> str:
    """The 64 hexadecimal digits of a digest."""
    return digest.removeprefix("sha256:")


def parse_reference(text: str) -> Reference:
    """Parse and normalize a reference; raises InputError for anything that no engine would take."""
    rest, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise _bad_reference(text, "the part after @ is not a sha256 digest")
    name, tag = _split_tag(rest)
    domain, path = _split_domain(name)
    if not _DOMAIN.fullmatch(domain):
        raise _bad_reference(text, f"{domain!r} is not a host name")
    if not _PATH.fullmatch(path):
        raise _bad_reference(text, f"{path!r} is not a repository name")
    if tag is not None and not _TAG.fullmatch(tag):
        raise _bad_reference(text, f"{tag!r} is not a tag")
    if len(domain) + 1 + len(path) > _MAX_NAME:
        raise _bad_reference(text, f"it is longer than {_MAX_NAME} characters")
    if tag is None and not digest:
        tag = "latest"
    return Reference(domain, path, tag, digest or None)


def normalize(text: str) -> str:
    """The full form of a reference, as it is written into bundles and compared everywhere."""
    return str(parse_reference(text))


def repository_of(text: str) -> str:
    """A reference without tag and digest, spelled as it was."""
    return _split_tag(text.partition("@")[0])[0]


def familiar(name: str) -> str:
    """The short form of a full reference, as Docker shows it."""
    return name.removeprefix("docker.io/library/").removeprefix("docker.io/")


def parse_source(text: str) -> Source:
    """Parse an image source such as C(docker-daemon:app:1.0); raises InputError."""
    transport, colon, location = text.partition(":")
    if not colon or transport not in TRANSPORTS:
        raise InputError(f"Image source {text!r} has no transport that is known here", _SOURCE_HELP)
    if transport == "docker":
        if not location.startswith("//"):
            raise InputError(f"Image source {text!r} lacks the two slashes of docker://", _SOURCE_HELP)
        location = location[2:]
    if not location:
        raise InputError(f"Image source {text!r} names no image", _SOURCE_HELP)
    return Source(transport, location)


def _split_tag(text: str) -> tuple[str, str | None]:
    # A colon before the last slash belongs to the port of a host.
    head, colon, tail = text.rpartition(":")
    if colon and "/" not in tail:
        return head, tail
    return text, None


def _split_domain(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        if first in ("docker.io", "index.docker.io"):
            return "docker.io", rest if "/" in rest else f"library/{rest}"
        return first, rest
    return "docker.io", name if slash else f"library/{name}"


def _bad_reference(text: str, why: str) -> InputError:
    return InputError(f"Image reference {text!r} cannot be used: {why}", _REFERENCE_HELP)
