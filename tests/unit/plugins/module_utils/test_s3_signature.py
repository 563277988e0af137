# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signatures, against the examples of the Amazon S3 API reference ("Signature Calculations: Transferring Payload in a Single Chunk")."""

from __future__ import annotations

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._s3_signature import (
    Credentials,
    canonical_query,
    signed_headers,
)

CREDENTIALS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "body", "signature"),
    [
        pytest.param(
            "GET", "/test.txt", {}, {"range": "bytes=0-9"}, b"",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41", id="an object",
        ),
        pytest.param(
            "PUT", "/test%24file.text", {},
            {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}, b"Welcome to Amazon S3.",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd", id="a body",
        ),
        pytest.param(
            "GET", "/", {"lifecycle": ""}, {}, b"",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543", id="a query without a value",
        ),
        pytest.param(
            "GET", "/", {"prefix": "J", "max-keys": "2"}, {}, b"",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7", id="a query",
        ),
    ],
)  # fmt: skip
def test_signs_as_the_reference_says(
    method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes, signature: str
) -> None:
    headers = {"host": "examplebucket.s3.amazonaws.com", **headers}
    signed = signed_headers(CREDENTIALS, method, path, query, headers, body, "20130524T000000Z")
    assert signed["authorization"].endswith(f"Signature={signature}")


def test_a_query_is_sorted_and_encoded() -> None:
    assert canonical_query({"b": "a/b c", "a": ""}) == "a=&b=a%2Fb%20c"
