# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's connection: with the real plugins, what is set on them; what is said when it is lost."""

from __future__ import annotations

import typing as t

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader

from ansible_collections.airlift.registry.plugins.plugin_utils import _connection

ALIVE = "-o ServerAliveInterval=15 -o ServerAliveCountMax=4"


def connect(kind: str, **variables: str) -> t.Any:
    connection = connection_loader.get(kind, PlayContext())
    connection.set_options(var_options=variables)
    return connection


@pytest.mark.parametrize(
    ("variables", "expected"), [({}, ALIVE), ({"ansible_ssh_extra_args": "-o Compression=no"}, f"-o Compression=no {ALIVE}")]
)  # fmt: skip
def test_ssh_notices_that_the_host_is_gone(variables: dict[str, str], expected: str) -> None:
    connection = connect("ssh", **variables)
    for _task in range(2):
        _connection.keep_alive(connection)
        assert connection.get_option("ssh_extra_args") == expected


def test_what_the_user_chose_comes_first() -> None:
    """ssh takes the first value that it is given for an option."""
    connection = connect("ssh", ansible_ssh_common_args="-o ServerAliveInterval=300")
    _connection.keep_alive(connection)
    command = b" ".join(connection._build_command("ssh", "ssh", "host", "true")).decode()
    assert command.index("ServerAliveInterval=300") < command.index("ServerAliveInterval=15")


def test_other_connections_stay_as_they_are() -> None:
    connection = connect("local")
    _connection.keep_alive(connection)
    assert not connection.has_option("ssh_extra_args")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"rc": 137, "module_stdout": "", "module_stderr": ""}, "with exit code 137: it said nothing"),
        ({"rc": 1, "module_stdout": "noise\nKilled\n", "module_stderr": ""}, "with exit code 1: Killed"),
        ({"rc": 127, "module_stdout": "", "module_stderr": "/bin/python3: not found\n"}, "127: /bin/python3: not found"),
    ],
)  # fmt: skip
def test_a_module_that_says_nothing(answer: dict[str, t.Any], problem: str) -> None:
    error = _connection.no_answer(answer)
    assert error.problem.endswith(problem)
    assert "ansible_python_interpreter" in error.next_step


def test_a_connection_that_is_lost() -> None:
    error = _connection.lost_connection(OSError("Connection reset by peer\n"))
    assert error.problem == "It was not reached: Connection reset by peer"
    assert "what has arrived is kept" in error.next_step
