# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock: YAML that people and git read, and that is read back as it was written."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError
from ansible_collections.airlift.registry.plugins.module_utils._lock import (
    Lock,
    LockedBase,
    LockedBlob,
    LockedImage,
    bundle_id,
    entry_data,
    format_lock,
    parse_lock,
)

A, B, C = (f"sha256:{digit * 64}" for digit in "abc")
APP = LockedImage("docker.io/library/app:1", "linux/amd64", A, B, 7, "", "docker-archive:/srv/a b: #c.tar:app:1", A)
ODD = LockedImage(
    "docker.io/library/x:1", "linux/arm64", B, C, 0, 'quote " and \x85 line', "docker-daemon:x", "", index=A
)
FULL = Lock("2026-01-02T03:04:05Z", (APP, ODD), (LockedBlob(A, B, 3), LockedBlob(B, C, 4, base=C)), (LockedBase(C, "old.tar"),))  # fmt: skip


@pytest.mark.parametrize(
    "lock",
    [
        pytest.param(FULL, id="everything"),
        pytest.param(Lock(""), id="nothing"),
        pytest.param(Lock("", (APP,)), id="an image without blobs"),
    ],
)
def test_is_read_back_as_it_was_written(lock: Lock) -> None:
    assert parse_lock(format_lock(lock)) == lock


def test_is_yaml() -> None:
    lock = Lock("2026-01-02T03:04:05Z", (APP,), FULL.blobs, FULL.bases)
    assert yaml.safe_load(format_lock(lock)) == {
        "version": 1,
        "created": "2026-01-02T03:04:05Z",
        "bases": [{"id": C, "name": "old.tar"}],
        "images": [entry_data(APP)],
        "blobs": [{"digest": A, "diff_id": B, "size": 3}, {"base": C, "digest": B, "diff_id": C, "size": 4}],
    }


def test_a_bundle_is_known_by_its_lock() -> None:
    assert bundle_id(format_lock(FULL)) == bundle_id(format_lock(parse_lock(format_lock(FULL))))
    assert bundle_id(format_lock(FULL)) != bundle_id(format_lock(Lock("")))


HEAD = b'version: 1\ncreated: ""\n'
WHOLE = format_lock(FULL)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'version: 2\ncreated: ""\nimages:\n', id="a later version"),
        pytest.param(b"version: 1\ncreated: 7\nimages:\n", id="a time that is a number"),
        pytest.param(b"version: 1\nimages:\n", id="no time"),
        pytest.param(HEAD + b"images:\n    name: x\n", id="no entry"),
        pytest.param(HEAD + b"images:\n  - name: x\n", id="a value without quotes"),
        pytest.param(HEAD + b"images:\n  - nothing\n", id="no value"),
        pytest.param(HEAD + b"images:\n\xff", id="no text"),
        pytest.param(HEAD + b"other:\n", id="a section that is not known"),
        pytest.param(HEAD + b'blobs:\n  - {"digest":[[' + b"[" * 100_000, id="deep JSON"),
        pytest.param(WHOLE.replace(b"    size: 7", b"    size: -7"), id="a negative size"),
        pytest.param(WHOLE.replace(b"    size: 7", b"    size: true"), id="a size that is no number"),
        pytest.param(WHOLE.replace(b"    size: 7\n", b""), id="no size"),
        pytest.param(WHOLE.replace(b'"size":3', b'"size":3,"more":4'), id="an unknown key"),
        pytest.param(WHOLE.replace(b'"size":3', b'"size":"3"'), id="a size in quotes"),
        pytest.param(WHOLE.replace(A.encode(), b"sha256:../../etc/passwd"), id="a digest that is none"),
    ],
)
def test_refuses_what_it_did_not_write(data: bytes) -> None:
    with pytest.raises(BundleError, match=r"bundle\.lock\.yml"):
        parse_lock(data)
