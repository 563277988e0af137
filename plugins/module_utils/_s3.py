# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""One bucket of an S3 store, by the few requests that a registry makes (Amazon S3 API reference). Each answer is bounded in size and time."""

from __future__ import annotations

import base64
import hashlib
import html
import http.client
import re
import ssl
import time
import typing as t
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError, StoreError
from ansible_collections.airlift.registry.plugins.module_utils._s3_signature import (
    Credentials,
    canonical_query,
    signed_headers,
)

_MAX_ANSWER = 1024 * 1024
_CODE = re.compile(rb"<Error>.*?<Code>([A-Za-z0-9.]{1,80})</Code>", re.DOTALL)
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.\-]+(:[0-9]{1,5})?/?|https?://\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?/?")
_PERMISSIONS = "Check access_key and secret_key, and that this key may list, read, write and delete in the bucket and see its uploads."
_NEXT_STEPS = {
    "AccessDenied": _PERMISSIONS,
    "InvalidAccessKeyId": _PERMISSIONS,
    "SignatureDoesNotMatch": _PERMISSIONS,
    "AuthorizationHeaderMalformed": "Set region to the one that the store has (Garage: s3_region).",
    "NoSuchBucket": "Make the bucket, or correct its name.",
    "PermanentRedirect": "Set endpoint and region to those of the bucket.",
    "RequestTimeTooSkewed": "Set the clock of this host (or of the store) right.",
}
_WORTHLESS = "A registry cannot work without this: mend the store, or choose another one."


@dataclass(frozen=True)
class Answer:
    """What a store says: headers with names in lower case, and the body's beginning."""

    status: int
    headers: t.Mapping[str, str]
    body: bytes

    def values(self, element: str) -> list[str]:
        """The texts of all XML elements of that name. (No parser sees what the store sends.)"""
        found = re.findall(rf"<{element}>([^<]*)</{element}>".encode(), self.body)
        return [html.unescape(value.decode(errors="replace")) for value in found]


class Bucket:
    """A bucket. I(endpoint) is C(http[s]://HOST[:PORT]); I(timeout) is in seconds, for each part of an answer."""

    def __init__(
        self, endpoint: str, name: str, credentials: Credentials, path_style: bool, ca_path: str = "", timeout: int = 30
    ) -> None:
        if not _ENDPOINT.fullmatch(endpoint):
            raise InputError(f"{endpoint} is no endpoint of a store", "Write it as http[s]://HOST[:PORT].")
        self.place = f"Bucket {name} at {endpoint}"
        parts = urlsplit(endpoint)
        self._host = parts.netloc if path_style else f"{name}.{parts.netloc}"
        self._root = f"/{name}" if path_style else ""
        self.name = name
        self._credentials = credentials
        self._tls = ssl.create_default_context(cafile=ca_path or None) if parts.scheme == "https" else None
        self._timeout = timeout

    def ask(
        self,
        method: str,
        key: str = "",
        query: t.Mapping[str, str] | None = None,
        headers: t.Mapping[str, str] | None = None,
        body: bytes = b"",
        absent: bool = False,
    ) -> Answer:
        """One request about an object or, without I(key), the bucket. What is not there is an error unless I(absent) says that it may be."""
        path = quote(f"{self._root}/{key}", safe="/-_.~")
        query, headers = query or {}, {"host": self._host, **(headers or {})}
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        signed = signed_headers(self._credentials, method, path, query, headers, body, moment)
        target = f"{path}?{canonical_query(query)}" if query else path
        answer = self._send(method, target, signed, body)
        if answer.status == 404 and absent:
            return answer
        error = _CODE.search(answer.body)
        if answer.status >= 300 or error:
            raise self._refusal(method, answer.status, error.group(1).decode() if error else "")
        return answer

    def delete(self, keys: t.Sequence[str]) -> None:
        """Remove objects (DeleteObjects, which wants the digest of its body)."""
        listed = "".join(f"<Object><Key>{html.escape(key)}</Key></Object>" for key in keys)
        body = f"<Delete>{listed}</Delete>".encode()
        digest = base64.b64encode(hashlib.md5(body).digest()).decode()
        self.ask("POST", query={"delete": ""}, headers={"content-md5": digest}, body=body)

    def _send(self, method: str, target: str, headers: t.Mapping[str, str], body: bytes) -> Answer:
        connection = self._connection()
        try:
            connection.request(method, target, body if method in ("PUT", "POST") else None, dict(headers))
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read(_MAX_ANSWER))
        except (OSError, http.client.HTTPException) as error:
            raise StoreError(
                f"{self.place} does not answer: {error}",
                "Check endpoint and network, and for HTTPS that ca_path is the authority of the store's certificate.",
            ) from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, timeout=self._timeout)
        return http.client.HTTPSConnection(self._host, timeout=self._timeout, context=self._tls)

    def _refusal(self, method: str, status: int, code: str) -> StoreError:
        said = f"{status} {code}".strip()
        step = _NEXT_STEPS.get(code) or (_PERMISSIONS if status == 403 else _WORTHLESS)
        return StoreError(f"{self.place} answers {said} to {method}", step)
