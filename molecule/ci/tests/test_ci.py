# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The containers of the role that is tested run, on instances that have no registry."""

from __future__ import annotations

import pytest
from testinfra.host import Host


def test_instance_has_no_way_out(host: Host) -> None:
    assert host.check_output("ip route show default") == ""


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_container_runs(host: Host, version: str) -> None:
    with host.sudo():
        assert host.check_output(f"docker start --attach {version}") == f"app {version}"
