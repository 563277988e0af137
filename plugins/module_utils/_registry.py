# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The distribution API of one registry: what is there. (Blobs are carried by skopeo.)"""

from __future__ import annotations

import base64
import json
import re
import typing as t
from urllib.error import HTTPError
from urllib.parse import urlencode

from ansible.module_utils.urls import open_url

from ansible_collections.airlift.registry.plugins.module_utils._errors import RegistryError
from ansible_collections.airlift.registry.plugins.module_utils._oci import INDEX_TYPES, MANIFEST_TYPES

_MAX_TOKEN = 1024 * 1024
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class Registry:
    """A registry at I(host) (C(HOST[:PORT])). I(timeout) is in seconds, for each answer."""

    def __init__(self, host: str, username: str = "", password: str = "", ca_path: str = "", timeout: int = 30) -> None:
        self.host = host
        self._username = username
        self._password = password
        self._ca_path = ca_path
        self._timeout = timeout
        self._tokens: dict[str, str] = {}

    def manifest_digest(self, repository: str, reference: str) -> str | None:
        """The digest of a tag or digest (distribution specification, "Checking if content exists in the registry")."""
        answer = self._head(repository, f"manifests/{reference}", {"Accept": ", ".join(MANIFEST_TYPES + INDEX_TYPES)})
        if answer is None:
            return None
        digest = answer.get("Docker-Content-Digest")
        if not digest:
            raise RegistryError(
                f"Registry {self.host} does not say which digest {repository}:{reference} has",
                "Check that a registry answers there, not a proxy.",
            )
        return str(digest)

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether a blob can be pulled from I(repository)."""
        return self._head(repository, f"blobs/{digest}", {}) is not None

    def _head(self, repository: str, path: str, headers: dict[str, str]) -> t.Mapping[str, str] | None:
        url = f"https://{self.host}/v2/{repository}/{path}"
        try:
            return self._open(url, {**headers, **self._authorization(repository)})
        except HTTPError as error:
            if error.code == 404:
                return None
            if error.code == 401 and repository not in self._tokens and self._fetch_token(repository, error):
                return self._head(repository, path, headers)
            raise self._refused(url, error) from error

    def _open(self, url: str, headers: dict[str, str]) -> t.Mapping[str, str]:
        try:
            with open_url(
                url,
                method="HEAD",
                headers=headers,
                # A registry may send us to its storage, which must not learn the password.
                unredirected_headers=["Authorization"],
                ca_path=self._ca_path or None,
                timeout=self._timeout,
            ) as answer:
                return t.cast(t.Mapping[str, str], answer.headers)
        except HTTPError:
            raise
        except Exception as error:
            raise RegistryError(
                f"Registry {self.host} cannot be reached: {error}",
                "Check its name and port, that it runs, and that ca_path is its CA.",
            ) from error

    def _authorization(self, repository: str) -> dict[str, str]:
        return {"Authorization": self._tokens[repository]} if repository in self._tokens else {}

    def _fetch_token(self, repository: str, error: HTTPError) -> bool:
        """Answer the challenge of a 401; whether there was anything to answer with."""
        scheme, _space, rest = str(error.headers.get("WWW-Authenticate", "")).partition(" ")
        if scheme.lower() == "basic" and self._username:
            self._tokens[repository] = _basic(self._username, self._password)
        elif scheme.lower() == "bearer":
            self._tokens[repository] = f"Bearer {self._bearer(dict(_CHALLENGE.findall(rest)), repository)}"
        return repository in self._tokens

    def _bearer(self, challenge: dict[str, str], repository: str) -> str:
        query = urlencode({"service": challenge.get("service", ""), "scope": f"repository:{repository}:pull,push"})
        headers = {"Authorization": _basic(self._username, self._password)} if self._username else {}
        realm = challenge.get("realm", "")
        if not realm.startswith("https://"):
            raise RegistryError(
                f"Registry {self.host} sends logins to {realm!r}",
                "Don't send a password there; mend the registry's token realm.",
            )
        try:
            with open_url(
                f"{realm}?{query}", headers=headers, ca_path=self._ca_path or None, timeout=self._timeout
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


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
