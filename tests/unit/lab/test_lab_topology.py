# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The spec file: accepted as documented, refused with a sentence that says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.topology import (
    HostSpec,
    address,
    assign_addresses,
    check_lab_name,
    free_subnets,
    parse_spec,
    read_spec,
    virtual_ip,
)

SUBNET = "10.213.4.0/24"


def test_spec_is_read_in_order() -> None:
    spec = {
        "hosts": {
            "registry1": {"groups": ["registry"], "shared": True},
            "fleet1": {"groups": ["fleet"], "engine": "podman"},
            "bare": {},
        }
    }
    assert parse_spec(spec) == (
        HostSpec("registry1", ("registry",), True),
        HostSpec("fleet1", ("fleet",), engine="podman"),
        HostSpec("bare"),
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param([], "at least one host", id="a-list"),
        pytest.param({}, "at least one host", id="empty"),
        pytest.param({"hosts": {}}, "at least one host", id="no-hosts"),
        pytest.param({"hosts": {"a": {}}, "host": {}}, "the spec has the unknown key host", id="unknown-key"),
        pytest.param(
            {"hosts": {"a": {"group": []}}},
            "host a has the unknown key group. Known: groups, shared, engine",
            id="unknown-host-key",
        ),
        pytest.param({"hosts": {"Reg_1": {}}}, "'Reg_1' is not a host name", id="host-name"),
        pytest.param({"hosts": {"a/../b": {}}}, "is not a host name", id="host-name-path"),
        pytest.param({"hosts": {"a": None}}, "host a must be an object", id="host-null"),
        pytest.param({"hosts": {"a": {"groups": "fleet"}}}, "host a: groups must be a list", id="groups-string"),
        pytest.param(
            {"hosts": {"a": {"groups": ["f-1"]}}}, "host a: groups must be a list of group names", id="group-name"
        ),
        pytest.param(
            {"hosts": {"a": {"engine": "docker-1"}}},
            "no engine is called 'docker-1'. There are: docker-20",
            id="engine",
        ),
        pytest.param({"hosts": {"a": {"engine": 29}}}, "no engine is called 29", id="engine-number"),
        pytest.param({"hosts": {"a": {"groups": ["all"]}}}, "cannot be called all", id="group-all"),
        pytest.param({"hosts": {"a": {"groups": ["a"]}}}, "cannot be called a here", id="group-like-host"),
        pytest.param({"hosts": {"a": {"shared": "yes"}}}, "host a: shared must be true or false", id="shared"),
        pytest.param({"hosts": {f"h{n}": {} for n in range(190)}}, "190 hosts are too many", id="too-many"),
    ],
)
def test_wrong_specs_are_named(spec: Any, message: str) -> None:
    with pytest.raises(LabError, match=message):
        parse_spec(spec)


def test_file_is_named_in_the_error(tmp_path: Path) -> None:
    file = tmp_path / "lab.json"
    with pytest.raises(LabError, match=rf"{file} cannot be read: No such file"):
        read_spec(file)
    file.write_text("{hosts")
    with pytest.raises(LabError, match=rf"{file} is not JSON"):
        read_spec(file)
    file.write_text(json.dumps({"hosts": {}}))
    with pytest.raises(LabError, match=rf"{file} is wrong: it needs"):
        read_spec(file)


@pytest.mark.parametrize("name", ["", "..", "Demo", "a/b", "1a", "-a", "a" * 31, "a\n"])
def test_lab_names_that_are_refused(name: str) -> None:
    with pytest.raises(LabError, match="is not a lab name"):
        check_lab_name(name)


def test_lab_name_that_is_accepted() -> None:
    assert check_lab_name("default-2") == "default-2"


def test_subnets_in_use_are_skipped() -> None:
    assert next(free_subnets(["172.17.0.0/16"])) == "10.213.0.0/24"
    assert next(free_subnets(["10.213.0.0/24", "10.213.1.128/25"])) == "10.213.2.0/24"
    assert list(free_subnets(["10.0.0.0/8"])) == []


def test_hosts_keep_their_addresses_and_new_ones_get_the_lowest_free() -> None:
    assigned = assign_addresses(["new", "old", "newer"], SUBNET, {"old": address(SUBNET, 11)})
    assert assigned == {"new": "10.213.4.12", "old": "10.213.4.11", "newer": "10.213.4.13"}


def test_no_host_can_get_the_virtual_address() -> None:
    names = [f"h{number}" for number in range(189)]
    assert virtual_ip(SUBNET) not in assign_addresses(names, SUBNET, {}).values()
