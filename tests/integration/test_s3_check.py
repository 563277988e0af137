# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""s3_check against a real Garage: it proves a bucket, names what a key may not do, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support.garage import (
    BUCKET,
    REGION,
    Store,
    garage,
    garage_store,
)
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Task


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with garage_store(tmp_path_factory.mktemp("garage")) as store:
        yield store


@pytest.fixture
def ansible(tmp_path: Path) -> Ansible:
    inventory = tmp_path / "inventory.yml"
    inventory.write_text("localhost:\n")
    return Ansible(inventory, tmp_path)


def options(store: Store, **changes: str) -> Task:
    return {
        "endpoint": store.address, "region": REGION, "bucket": BUCKET, "access_key": store.key_id, "secret_key": store.secret,
        **changes,
    }  # fmt: skip


def empty(store: Store) -> bool:
    client = store.client()
    listed, uploads = client.list_objects_v2(Bucket=BUCKET), client.list_multipart_uploads(Bucket=BUCKET)
    return not listed.get("Contents") and not uploads.get("Uploads")


def test_garage_can_carry_a_registry_but_for_blobs_of_no_bytes(store: Store, ansible: Ansible) -> None:
    result = ansible.local("s3_check", options(store))
    assert "msg" not in result, result["msg"]
    assert (len(result["operations"]), result["empty_blobs"], result["changed"]) == (11, False, False)
    assert "no image has one" in result["warnings"][0]
    assert empty(store)


def test_what_a_key_may_not_do_is_named(store: Store, ansible: Ansible) -> None:
    garage("bucket", "deny", "--write", BUCKET, "--key", store.key_id)
    try:
        result = ansible.local("s3_check", options(store))
    finally:
        garage("bucket", "allow", "--write", BUCKET, "--key", store.key_id)
    assert result["problem"].startswith("Cannot put an object. ")
    assert "403 AccessDenied" in result["problem"]
    assert "may list, read, write and delete" in result["next_step"]
    assert store.secret not in str(result)


@pytest.mark.parametrize(
    ("changes", "code", "step"),
    [
        ({"bucket": "nowhere"}, "NoSuchBucket", "Make the bucket"),
        ({"region": "elsewhere"}, "AuthorizationHeaderMalformed", "Set region"),
        ({"secret_key": "0" * 64}, "403", "Check access_key and secret_key"),
    ],
    ids=["bucket", "region", "secret"],
)
def test_a_wrong_option_is_found_before_anything_is_written(
    store: Store, ansible: Ansible, changes: dict[str, str], code: str, step: str
) -> None:
    result = ansible.local("s3_check", options(store, **changes))
    assert result["problem"].startswith("Cannot list objects. ")
    assert code in result["problem"]
    assert step in result["next_step"]
