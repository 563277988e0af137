# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock: YAML that people and git read, and that is read back as it was written."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError
from ansible_collections.airlift.registry.plugins.module_utils._pack import format_lock, parse_lock

ENTRIES = [
    {"name": "docker.io/library/app:1", "size": 7, "created": "", "source": "docker-archive:/srv/a b: #c.tar:app:1"},
    {"name": "docker.io/library/böse:1", "size": 0, "created": 'quote " and \x85 line', "source": "docker-daemon:x"},
]


def test_is_read_back_as_it_was_written() -> None:
    assert parse_lock(format_lock(ENTRIES)) == ENTRIES
    assert parse_lock(format_lock([])) == []


def test_is_yaml() -> None:
    assert yaml.safe_load(format_lock(ENTRIES[:1])) == {"version": 1, "images": ENTRIES[:1]}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"version: 2\nimages:\n", id="a later version"),
        pytest.param(b"version: 1\nimages:\n    name: x\n", id="no entry"),
        pytest.param(b"version: 1\nimages:\n  - name: x\n", id="a value without quotes"),
        pytest.param(b"version: 1\nimages:\n  - nothing\n", id="no value"),
        pytest.param(b"version: 1\nimages:\n\xff", id="no text"),
    ],
)
def test_refuses_what_it_did_not_write(data: bytes) -> None:
    with pytest.raises(BundleError, match=r"bundle\.lock\.yml"):
        parse_lock(data)
