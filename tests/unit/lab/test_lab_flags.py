# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The flags of a host's container, by what the machine allows."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.flags import Machine, find_cgroup2, run_flags

CGROUP = Path("/sys/fs/cgroup/unified/airlift-demo/fleet1")
MOUNT = f"--volume={CGROUP}:/sys/fs/cgroup:rw"


def machine(unified: bool, privileged: bool) -> Machine:
    return Machine(CGROUP.parent.parent, unified, privileged)


@pytest.mark.parametrize(
    ("unified", "privileged", "present", "absent"),
    [
        pytest.param(True, True, {"--privileged", "--cgroupns=private"}, {"--cap-add=ALL", MOUNT}, id="ordinary"),
        pytest.param(False, True, {"--privileged", "--cgroupns=host", MOUNT}, {"--cap-add=ALL"}, id="hybrid"),
        pytest.param(
            False, False, {"--cap-add=ALL", "--cgroupns=host", MOUNT}, {"--privileged"}, id="hybrid-unprivileged"
        ),
        pytest.param(True, False, {"--cap-add=ALL", "--cgroupns=host", MOUNT}, {"--privileged"}, id="unprivileged"),
    ],
)
def test_flags(unified: bool, privileged: bool, present: set[str], absent: set[str]) -> None:
    flags = set(run_flags(machine(unified, privileged), CGROUP))
    assert present <= flags
    assert not absent & flags


@pytest.mark.parametrize("privileged", [True, False])
def test_engine_storage_lies_on_volumes(privileged: bool) -> None:
    flags = run_flags(machine(True, privileged), CGROUP)
    assert {"--volume=/var/lib/docker", "--volume=/var/lib/containerd"} <= set(flags)


@pytest.mark.parametrize(
    ("unified", "privileged", "needed"),
    [(True, True, False), (True, False, True), (False, True, True), (False, False, True)],
)
def test_cgroup_directory_is_made_only_where_it_is_mounted(unified: bool, privileged: bool, needed: bool) -> None:
    given = machine(unified, privileged)
    assert given.needs_cgroup_directories is needed
    assert (MOUNT in run_flags(given, CGROUP)) is needed


def test_cgroups_of_version_2_only(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").touch()
    assert find_cgroup2(tmp_path) == (tmp_path, True)


def test_hybrid_cgroups(tmp_path: Path) -> None:
    (tmp_path / "unified").mkdir()
    (tmp_path / "unified" / "cgroup.controllers").touch()
    assert find_cgroup2(tmp_path) == (tmp_path / "unified", False)


def test_no_version_2_cgroups_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="mount -t cgroup2"):
        find_cgroup2(tmp_path)
