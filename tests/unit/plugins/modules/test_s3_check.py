# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""s3_check against a store that speaks S3: each thing that a store may do wrong is named, and nothing stays."""

from __future__ import annotations

import typing as t
from types import SimpleNamespace

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _s3_check
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.modules.s3_check import Checker
from ansible_collections.airlift.registry.tests.unit.plugins.support.s3 import (
    ACCESS_KEY,
    BUCKET,
    REGION,
    SECRET_KEY,
    Store,
    s3_server,
)

READING = {"ListObjectsV2", "ListMultipartUploads"}
Check = t.Callable[..., dict[str, t.Any]]


class Failed(Exception):
    """What fail_json does in a real module: it ends the run."""


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def check(store: Store, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Check]:
    """Run the module with some options; its result, of a failure too, with its warnings in C(warned)."""
    # Real stores want parts of 5 MiB; this one takes less, which is faster.
    monkeypatch.setattr(_s3_check, "_PART", b"part")
    with s3_server(store) as endpoint:

        def check(check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
            params: dict[str, t.Any] = {
                "endpoint": endpoint, "region": REGION, "bucket": BUCKET, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY,
                "path_style": True, "prefix": "", "ca_path": "", "timeout": 5, **options,
            }  # fmt: skip
            warned: list[str] = []
            failure: dict[str, t.Any] = {}

            def fail_json(**result: t.Any) -> None:
                failure.update(result)
                raise Failed

            module = SimpleNamespace(params=params, check_mode=check_mode, warn=warned.append, fail_json=fail_json)
            try:
                return {**Checker(t.cast(t.Any, module)).check(), "warned": warned}
            except Failed:
                return failure

        yield check


def test_a_good_store_is_proven_and_left_as_it_was(check: Check, store: Store) -> None:
    result = check()
    assert [entry["problem"] for entry in result["operations"]] == [""] * 11
    assert (result["changed"], result["empty_blobs"], result["warned"]) == (False, True, [])
    assert store.tidy()


def test_what_others_have_in_the_bucket_stays(check: Check, store: Store) -> None:
    store.objects["docker/registry/v2/blobs"] = b"theirs"
    store.uploads["theirs"] = ("docker/registry/v2/uploads", {})
    check()
    assert store.objects == {"docker/registry/v2/blobs": b"theirs"}
    assert list(store.uploads) == ["theirs"]


def test_all_happens_below_the_prefix(check: Check, store: Store) -> None:
    store.faults["DeleteObject"] = (500, "InternalError")
    store.faults["DeleteObjects"] = (500, "InternalError")
    check(prefix="/site/images/")
    assert store.objects
    assert all(key.startswith("site/images/airlift-s3-check/") for key in store.objects)


def test_check_mode_only_reads(check: Check, store: Store) -> None:
    result = check(check_mode=True)
    assert [entry["name"] for entry in result["operations"]] == ["list objects", "list uploads"]
    assert result["empty_blobs"] is None
    assert set(store.seen) == READING


@pytest.mark.parametrize(
    ("request_name", "operation"),
    [
        ("ListObjectsV2", "list objects"),
        ("ListMultipartUploads", "list uploads"),
        ("PutObject", "put an object"),
        ("HeadObject", "put an object"),
        ("GetObject", "read a range"),
        ("CreateMultipartUpload", "upload in parts"),
        ("UploadPart", "upload in parts"),
        ("ListParts", "upload in parts"),
        ("CompleteMultipartUpload", "upload in parts"),
        ("CopyObject", "copy an object"),
        ("UploadPartCopy", "copy a part"),
        ("AbortMultipartUpload", "abort an upload"),
        ("DeleteObjects", "delete objects"),
    ],
)
def test_a_request_that_is_refused_is_named(check: Check, store: Store, request_name: str, operation: str) -> None:
    store.faults[request_name] = (501, "NotImplemented")
    result = check()
    assert result["problem"].startswith(f"Cannot {operation}. Bucket {BUCKET} at http://127.0.0.1:")
    assert "answers 501" in result["problem"]
    assert "mend the store, or choose another one" in result["next_step"]
    assert next(entry["name"] for entry in result["operations"] if entry["problem"]) == operation
    assert store.tidy() or request_name == "AbortMultipartUpload"


@pytest.mark.parametrize(
    ("request_name", "operation"),
    [
        ("PutObject", "put an object"),
        ("CreateMultipartUpload", "upload in parts"),
        ("UploadPart", "upload in parts"),
        ("CompleteMultipartUpload", "upload in parts"),
        ("CopyObject", "copy an object"),
        ("AbortMultipartUpload", "abort an upload"),
        ("DeleteObjects", "delete objects"),
    ],
)
def test_a_store_that_says_yes_and_does_nothing_is_found_out(
    check: Check, store: Store, request_name: str, operation: str
) -> None:
    store.forgetful.add(request_name)
    assert check()["problem"].startswith(f"Cannot {operation}. ")


def test_a_write_that_is_listed_late_is_found_out(check: Check, store: Store) -> None:
    store.forgetful.add("ListObjectsV2")
    result = check()
    assert "Cannot list an object right after its write" in result["problem"]
    assert "would lose images" in result["next_step"]


def test_what_was_deleted_may_be_listed_a_moment_longer(check: Check, store: Store) -> None:
    store.lingers = 2
    assert [entry["problem"] for entry in check()["operations"]] == [""] * 11
    assert store.lingers == 0


def test_what_was_deleted_may_not_be_listed_for_good(
    check: Check, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_s3_check, "_DELETED_SECONDS", 0.1)
    store.lingers = 1000
    assert "Cannot delete objects. " in check()["problem"]


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        ((403, "AccessDenied"), "may list, read, write and delete"),
        ((403, "Whatever"), "may list, read, write and delete"),
        ((404, "NoSuchBucket"), "Make the bucket"),
        ((400, "AuthorizationHeaderMalformed"), "Set region"),
        ((403, "RequestTimeTooSkewed"), "clock"),
        ((301, "PermanentRedirect"), "Set endpoint and region"),
    ],
)
def test_the_next_step_fits_what_the_store_says(check: Check, store: Store, fault: tuple[int, str], step: str) -> None:
    store.faults["ListObjectsV2"] = fault
    result = check()
    assert fault[1] in result["problem"]
    assert step in result["next_step"]


def test_a_wrong_secret_is_refused_before_anything_is_written(check: Check, store: Store) -> None:
    assert "SignatureDoesNotMatch" in check(secret_key="wrong")["problem"]
    assert store.seen == ["ListObjectsV2"]


def test_a_store_without_empty_parts_is_taken_with_a_warning(check: Check, store: Store) -> None:
    store.faults["UploadEmptyPart"] = (400, "InvalidRequest")
    result = check()
    assert result["empty_blobs"] is False
    assert "no image has one" in result["warned"][0]
    assert store.tidy()


def test_a_store_that_is_not_there_is_named(check: Check) -> None:
    result = check(endpoint="http://127.0.0.1:1")
    assert "Bucket images at http://127.0.0.1:1 does not answer" in result["problem"]
    assert "ca_path" in result["next_step"]


@pytest.mark.parametrize("endpoint", ["s3.example.com", "http://s3/path", "http://user@s3", "ftp://s3", "http://s3:x"])
def test_an_endpoint_that_is_none_is_refused(check: Check, endpoint: str) -> None:
    with pytest.raises(InputError, match="no endpoint"):
        check(endpoint=endpoint)
