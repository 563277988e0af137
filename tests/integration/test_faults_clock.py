# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clocks that are years off, on a host or on the controller: nothing is decided by them but how long a key is trusted."""

from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support.faults import (
    assert_converges,
    assert_refused,
    trusting,
)
from ansible_collections.airlift.registry.tests.integration.support.lab import RECORD, Lab
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, task
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

# What a machine without a battery for its clock believes, or one whose battery is empty. Ansible itself needs 1980 on the controller.
HOST_CLOCKS = ["@1970-01-01 00:00:10", "+40y"]


@pytest.fixture(scope="session")
def libfaketime() -> str:
    listing = subprocess.run(["dpkg", "--listfiles", "libfaketime"], check=True, capture_output=True, text=True).stdout
    (path,) = (line for line in listing.splitlines() if line.endswith("/libfaketime.so.1"))
    return path


def clock(libfaketime: str, time: str) -> dict[str, str]:
    """What a process needs in its environment to believe in another time."""
    return {"LD_PRELOAD": libfaketime, "FAKETIME": time}


@pytest.mark.parametrize("time", HOST_CLOCKS)
def test_the_clock_of_the_host(
    lab: Lab, ansible: Ansible, host: str, tiny_arguments: dict[str, t.Any], libfaketime: str, time: str
) -> None:
    """Of its Python. The kernel, and so the engine, has the clock of the machine that the lab runs on."""
    lab.copy(host, libfaketime, "/usr/local/lib/libfaketime.so.1")
    assignments = " ".join(
        f"{name}='{value}'" for name, value in clock("/usr/local/lib/libfaketime.so.1", time).items()
    )
    lab.run(
        host,
        f'printf \'#!/bin/sh\\nexec env %s python3 "$@"\\n\' "{assignments}" > /usr/local/bin/late && chmod 755 /usr/local/bin/late',
    )
    year = lab.run(host, "late -c 'import time; print(time.localtime().tm_year)'")
    assert not 2020 < int(year) < 2040
    assert_converges(lab, ansible, host, tiny_arguments, vars={"ansible_python_interpreter": "/usr/local/bin/late"})
    # What was noted is the time in the bundle, so the right clock finds nothing to do either.
    assert lab.run(host, f"grep -c created {RECORD}") == "1"
    assert_converges(lab, ansible, host, tiny_arguments)


@pytest.mark.parametrize(
    ("time", "validity"), [("-20y", 'valid-after="20200101"'), ("+40y", 'valid-before="20500101"')], ids=["behind", "ahead"]
)  # fmt: skip
def test_the_clock_of_the_controller(
    lab: Lab, ansible: Ansible, host: str, signer: Signer, tiny: Path, libfaketime: str, time: str, validity: str
) -> None:
    """A key that is trusted for ever is trusted; of one that is trusted for a time, the operator is told to look at the clock."""
    for_a_time = {"path": [str(tiny)], "allowed_signers": str(signer.trusted_by(f"release@example.com {validity}"))}
    tasks = [task("image_preload", arguments) for arguments in (for_a_time, trusting(signer, tiny))]
    refused, taken = ansible.start(host, tasks, **clock(libfaketime, time)).results(host)
    assert_refused(refused, host, "is signed with a key that is not valid at this time", "Compare the clock")
    assert (taken.get("failed"), taken["changed"]) == (None, True), taken
    # By the right clock the key is trusted, and there is nothing to do.
    assert ansible.preload(host, for_a_time)["changed"] is False
