# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Signature version 4 for requests to S3 (Amazon S3 API reference, "Authenticating Requests: Using the Authorization Header")."""

from __future__ import annotations

import hashlib
import hmac
import typing as t
from dataclasses import dataclass
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class Credentials:
    """Who asks, and in which region."""

    access_key: str
    secret_key: str
    region: str


def canonical_query(query: t.Mapping[str, str]) -> str:
    """The query as it is signed, and as it has to be sent."""
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


def signed_headers(
    credentials: Credentials,
    method: str,
    path: str,
    query: t.Mapping[str, str],
    headers: t.Mapping[str, str],
    body: bytes,
    moment: str,
) -> dict[str, str]:
    """All headers of a request, with its signature.

    I(path) is encoded already, I(headers) have C(host), all names in lower case; I(moment) is in UTC, C(YYYYMMDDThhmmssZ).
    """
    payload = hashlib.sha256(body).hexdigest()
    headers = {**headers, "x-amz-content-sha256": payload, "x-amz-date": moment}
    names = ";".join(sorted(headers))
    lines = [f"{name}:{headers[name].strip()}" for name in sorted(headers)]
    request = "\n".join([method, path, canonical_query(query), *lines, "", names, payload])
    scope = f"{moment[:8]}/{credentials.region}/s3/aws4_request"
    text = "\n".join([_ALGORITHM, moment, scope, hashlib.sha256(request.encode()).hexdigest()])
    signature = hmac.new(_signing_key(credentials, moment[:8]), text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return headers


def _signing_key(credentials: Credentials, day: str) -> bytes:
    key = f"AWS4{credentials.secret_key}".encode()
    for part in (day, credentials.region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
