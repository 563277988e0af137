# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An engine that is not there, hangs, or lacks what it needs."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.airlift.registry.tests.integration.support.faults import assert_converges, assert_refused
from ansible_collections.airlift.registry.tests.integration.support.lab import Lab, State
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible


def test_no_engine(lab: Lab, ansible: Ansible, host: str, tiny_arguments: dict[str, t.Any]) -> None:
    lab.run(host, "systemctl stop docker.socket docker.service")
    try:
        refused = ansible.preload(host, tiny_arguments)
        assert_refused(refused, host, "unix:///var/run/docker.sock did not answer", "systemctl start docker")
    finally:
        lab.run(host, "systemctl start docker.socket docker.service")
    lab.wait_for_engine(host)
    assert lab.look(host) == State((), ())
    assert_converges(lab, ansible, host, tiny_arguments)


def test_an_engine_that_does_not_answer(
    lab: Lab, ansible: Ansible, host: str, tiny_arguments: dict[str, t.Any]
) -> None:
    pid = lab.run(host, "systemctl show --property MainPID --value docker.service")
    lab.run(host, f"kill -STOP {pid}")
    try:
        started = time.monotonic()
        refused = ansible.preload(host, {**tiny_arguments, "docker_timeout": 3})
        assert time.monotonic() - started < 40
        assert_refused(
            refused, host, "unix:///var/run/docker.sock did not answer within 3 s", "systemctl restart docker"
        )
    finally:
        lab.run(host, f"kill -CONT {pid}")
    assert_converges(lab, ansible, host, tiny_arguments)


def test_no_docker_sdk(lab: Lab, ansible: Ansible, host: str, tiny_arguments: dict[str, t.Any]) -> None:
    lab.run(
        host,
        "printf '#!/bin/sh\\nexec /usr/bin/python3 -S \"$@\"\\n' > /usr/local/bin/bare-python && chmod 755 /usr/local/bin/bare-python",
    )
    refused = ansible.preload(host, tiny_arguments, vars={"ansible_python_interpreter": "/usr/local/bin/bare-python"})
    assert_refused(refused, host, "The Docker SDK for Python is missing", "python3-docker")
    assert lab.look(host) == State((), ())
    assert_converges(lab, ansible, host, tiny_arguments)
