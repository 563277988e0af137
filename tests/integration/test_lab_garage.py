# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's Garage is an S3 store: one node, in a container on this machine's engine."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from ansible_collections.airlift.registry.tests.integration.support.garage import BUCKET, Store, garage_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with garage_store(tmp_path_factory.mktemp("garage")) as store:
        yield store


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(11, id="kept-in-the-database"),
        pytest.param(3 * 1024 * 1024 + 1, id="several-blocks"),
    ],
)
def test_objects_are_put_listed_read_and_deleted(store: Store, size: int) -> None:
    client, name, content = store.client(), f"blobs/{size}", os.urandom(size)
    client.put_object(Bucket=BUCKET, Key=name, Body=content)
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix="blobs/")["Contents"]
    assert [(found["Key"], found["Size"]) for found in listed] == [(name, size)]
    assert client.get_object(Bucket=BUCKET, Key=name)["Body"].read() == content
    client.delete_object(Bucket=BUCKET, Key=name)
    assert client.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0
    with pytest.raises(ClientError, match="NoSuchKey"):
        client.get_object(Bucket=BUCKET, Key=name)


def test_upload_in_parts_becomes_one_object(store: Store) -> None:
    """As a registry stores a layer."""
    client, parts = store.client(), [os.urandom(5 * 1024 * 1024), os.urandom(100)]
    upload = {"Bucket": BUCKET, "Key": "layer", "UploadId": ""}
    upload["UploadId"] = client.create_multipart_upload(Bucket=BUCKET, Key="layer")["UploadId"]
    tags = [
        {"PartNumber": number, "ETag": client.upload_part(**upload, PartNumber=number, Body=part)["ETag"]}
        for number, part in enumerate(parts, 1)
    ]
    client.complete_multipart_upload(**upload, MultipartUpload={"Parts": tags})
    assert client.get_object(Bucket=BUCKET, Key="layer")["Body"].read() == b"".join(parts)
    client.delete_object(Bucket=BUCKET, Key="layer")


def test_nobody_gets_in_with_a_wrong_secret(store: Store) -> None:
    with pytest.raises(ClientError, match="AccessDenied|Forbidden|SignatureDoesNotMatch"):
        store.client(secret="0" * 64).list_objects_v2(Bucket=BUCKET)
