# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The distribution API of one registry: what is there, and the small documents among it. (Blobs are carried by skopeo.)

A registry is not believed: each answer is bounded in size and time, and a manifest that was asked for by digest must have it.
"""

from __future__ import annotations

import base64
import json
import re
import time
import typing as t
from dataclasses import dataclass
from http.client import HTTPResponse
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin

from ansible.module_utils.urls import open_url

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError, RegistryError
from ansible_collections.airlift.registry.plugins.module_utils._reference import is_digest
from ansible_collections.airlift.registry.plugins.module_utils._referrers import fallback_tag, listed_entries

MAX_REFERRERS = 1000  # of one manifest
_MAX_PAGES = 100
_MAX_TOKEN = 1024 * 1024
_MAX_SECONDS = 300  # for one answer as a whole
_MAX_PAUSE = 60  # seconds that a registry may ask for (Retry-After)
_TRIES = 3
_BUSY = (429, 503)
_NO_API = (400, 404, 405, 406)  # how registries answer that know no referrers API
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?')
_ACCEPT = {"Accept": ", ".join(_oci.MANIFEST_TYPES + _oci.INDEX_TYPES)}
_LIES = "Don't use this registry until it is mended; look into its log."


@dataclass(frozen=True)
class Access:
    """What a registry wants before it answers. I(ca_path) is a file, by default the host's trusted CAs count."""

    username: str = ""
    password: str = ""
    ca_path: str = ""
    client_cert: str = ""
    client_key: str = ""


@dataclass(frozen=True)
class _Answer:
    headers: t.Mapping[str, str]
    body: bytes


class Registry:
    """A registry at I(host) (C(HOST[:PORT])). I(timeout) is in seconds, for each part of an answer."""

    def __init__(self, host: str, access: Access, timeout: int = 30) -> None:
        self.host = host
        # Docker Hub's name is not where its API is.
        self._address = "registry-1.docker.io" if host == "docker.io" else host
        self._access = access
        self._timeout = timeout
        self._tokens: dict[str, str] = {}

    def manifest_digest(self, repository: str, reference: str) -> str | None:
        """The digest of a tag or digest (distribution specification, "Checking if content exists in the registry")."""
        answer = self._request("HEAD", repository, f"manifests/{reference}", _ACCEPT)
        if answer is None:
            return None
        digest = answer.headers.get("Docker-Content-Digest")
        if not digest:
            raise RegistryError(
                f"Registry {self.host} does not say which digest {repository}:{reference} has",
                "Check that a registry answers there, not a proxy.",
            )
        return str(digest)

    def manifest(self, repository: str, reference: str) -> bytes | None:
        """A manifest or index by tag or digest, byte for byte (distribution specification, "Pulling manifests"); nothing if it is not there."""
        answer = self._request("GET", repository, f"manifests/{reference}", _ACCEPT)
        if answer is None:
            return None
        if is_digest(reference) and _oci.digest_of(answer.body) != reference:
            raise RegistryError(f"Registry {self.host} answers with something else for {repository}@{reference}", _LIES)
        return answer.body

    def put_manifest(self, repository: str, reference: str, data: bytes, media_type: str) -> None:
        """Push a manifest or index (distribution specification, "Pushing Manifests")."""
        path = f"manifests/{reference}"
        if self._request("PUT", repository, path, {"Content-Type": media_type}, data) is None:
            raise RegistryError(
                f"Registry {self.host} has nowhere to put {repository}:{reference}",
                "Check the repository's name, and that a registry answers there.",
            )

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether a blob can be pulled from I(repository)."""
        return self._request("HEAD", repository, f"blobs/{digest}", {}) is not None

    def referrers(self, repository: str, digest: str) -> list[dict[str, t.Any]] | None:
        """The descriptors of what refers to I(digest) (distribution specification, "Listing Referrers"); nothing where there is no such API."""
        found: list[dict[str, t.Any]] = []
        page = place = f"https://{self._address}/v2/{repository}/referrers/{digest}"
        for _number in range(_MAX_PAGES):
            answer = self._open("GET", repository, page, {"Accept": _oci.OCI_INDEX}, absent=_NO_API)
            if answer is None or not answer.headers.get("Content-Type", "").startswith(_oci.OCI_INDEX):
                return None
            found += self._entries(answer.body, page)
            following = self._next_page(place, page, answer.headers.get("Link", ""))
            if len(found) > MAX_REFERRERS:
                break
            if not following:
                return found
            page = following
        raise RegistryError(
            f"Registry {self.host} lists more than {MAX_REFERRERS} referrers of {digest}, or no end of them", _LIES
        )

    def referrers_by_tag(self, repository: str, digest: str) -> list[dict[str, t.Any]]:
        """The same by the tag that takes the API's place (distribution specification, "Referrers Tag Schema")."""
        tag = fallback_tag(digest)
        data = self.manifest(repository, tag)
        found = [] if data is None else self._entries(data, f"{self.host}/{repository}:{tag}")
        if len(found) > MAX_REFERRERS:
            raise RegistryError(f"{self.host}/{repository}:{tag} lists more than {MAX_REFERRERS} referrers", _LIES)
        return found

    def _entries(self, data: bytes, what: str) -> list[dict[str, t.Any]]:
        try:
            return listed_entries(_oci.parse_document(data, what), what)
        except BundleError as error:
            raise RegistryError(error.problem, _LIES) from error

    def _next_page(self, place: str, page: str, link: str) -> str:
        match = _NEXT.search(link)
        if not match:
            return ""
        following = urljoin(page, match[1])
        if following.partition("?")[0] != place:
            raise RegistryError(f"Registry {self.host} sends those who ask for referrers to {following!r}", _LIES)
        return following

    def _request(
        self, method: str, repository: str, path: str, headers: t.Mapping[str, str], data: bytes | None = None
    ) -> _Answer | None:
        return self._open(method, repository, f"https://{self._address}/v2/{repository}/{path}", headers, data)

    def _open(
        self,
        method: str,
        repository: str,
        url: str,
        headers: t.Mapping[str, str],
        data: bytes | None = None,
        absent: t.Collection[int] = (404,),
    ) -> _Answer | None:
        """The answer, or nothing if its status is one of I(absent). Logs in when asked to, and waits when asked to."""
        tries, is_fresh = 0, False
        while True:
            try:
                return self._exchange(method, url, {**headers, **self._authorization(repository)}, data)
            except HTTPError as error:
                # The second time it is not the token's age that is wrong with it.
                if error.code == 401 and not is_fresh and self._fetch_token(repository, error):
                    is_fresh = True
                    continue
                if error.code in absent:
                    return None
                tries += 1
                if error.code not in _BUSY or tries == _TRIES:
                    raise self._refused(url, error) from error
                pause = _pause(error)
            time.sleep(pause)

    def _exchange(self, method: str, url: str, headers: dict[str, str], data: bytes | None) -> _Answer:
        try:
            with open_url(
                url,
                data=data,
                method=method,
                headers=headers,
                # A registry may send us to its storage, which must not learn the password.
                unredirected_headers=["Authorization"],
                ca_path=self._access.ca_path or None,
                client_cert=self._access.client_cert or None,
                client_key=self._access.client_key or None,
                timeout=self._timeout,
            ) as answer:
                return _Answer(answer.headers, self._read(answer, url))
        except (HTTPError, RegistryError):
            raise
        except Exception as error:
            raise RegistryError(
                f"Registry {self.host} cannot be reached: {error}",
                "Check its name and port, that it runs, and that ca_path is its CA.",
            ) from error

    def _read(self, stream: HTTPResponse, url: str) -> bytes:
        body, end = bytearray(), time.monotonic() + _MAX_SECONDS
        while chunk := stream.read1(64 * 1024):
            body += chunk
            if len(body) > _oci.MAX_DOCUMENT or time.monotonic() > end:
                raise RegistryError(f"{url} answers with more than {_oci.MAX_DOCUMENT} bytes, or too slowly", _LIES)
        return bytes(body)

    def _authorization(self, repository: str) -> dict[str, str]:
        return {"Authorization": self._tokens[repository]} if repository in self._tokens else {}

    def _fetch_token(self, repository: str, error: HTTPError) -> bool:
        """Answer the challenge of a 401; whether there was anything to answer with."""
        scheme, _space, rest = str(error.headers.get("WWW-Authenticate", "")).partition(" ")
        if scheme.lower() == "basic" and self._access.username:
            self._tokens[repository] = _basic(self._access.username, self._access.password)
        elif scheme.lower() == "bearer":
            self._tokens[repository] = f"Bearer {self._bearer(dict(_CHALLENGE.findall(rest)), repository)}"
        return repository in self._tokens

    def _bearer(self, challenge: dict[str, str], repository: str) -> str:
        query = urlencode({"service": challenge.get("service", ""), "scope": f"repository:{repository}:pull,push"})
        headers = (
            {"Authorization": _basic(self._access.username, self._access.password)} if self._access.username else {}
        )
        realm = challenge.get("realm", "")
        if not realm.startswith("https://"):
            raise RegistryError(
                f"Registry {self.host} sends logins to {realm!r}",
                "Don't send a password there; mend the registry's token realm.",
            )
        try:
            with open_url(
                f"{realm}?{query}", headers=headers, ca_path=self._access.ca_path or None, timeout=self._timeout
            ) as answer:
                token = json.loads(answer.read(_MAX_TOKEN))
                return str(token.get("token") or token["access_token"])
        except (OSError, ValueError, LookupError, AttributeError) as error:
            raise RegistryError(
                f"Registry {self.host} gave no token: {error}", "Check the user name and the password."
            ) from error

    def _refused(self, url: str, error: HTTPError) -> RegistryError:
        steps = {401: "Check the user name and the password.", 403: "Give this user the right to do it."}
        return RegistryError(
            f"{url} answered {error.code} {error.reason}", steps.get(error.code, "Look into the registry's log.")
        )


def _pause(error: HTTPError) -> float:
    """How many seconds a busy registry asks for (RFC 9110, Retry-After)."""
    asked = error.headers.get("Retry-After", "")
    return min(int(asked), _MAX_PAUSE) if asked.isdigit() else 1


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
