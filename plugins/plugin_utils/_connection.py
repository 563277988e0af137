# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Ansible's connection to a host: noticing that it is gone, and saying so."""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError, TransportError

# A host that lost its power says no good-bye, and while it loads nothing is sent that could be missed: without this ssh waits for hours.
_KEEP_ALIVE = "-o ServerAliveInterval=15 -o ServerAliveCountMax=4"
_AGAIN = "run this again; what has arrived is kept."


def keep_alive(connection: t.Any) -> None:
    """Let ssh end a connection that has been dead for a minute. What the user has set in ssh_args or ssh_common_args comes first."""
    if connection.transport != "ssh":
        return
    arguments = connection.get_option("ssh_extra_args") or ""
    if _KEEP_ALIVE not in arguments:
        connection.set_option("ssh_extra_args", f"{arguments} {_KEEP_ALIVE}".strip())


def another(connection: t.Any) -> t.Any:
    """A connection to the same host, with the same options, for another thread: a plugin keeps notes of the command that it runs.

    What ssh keeps open with ControlPersist serves both.
    """
    found = copy.copy(connection)
    found._shell = copy.copy(connection._shell)
    found._shell.tmpdir = None
    if connection.become:
        found.set_become_plugin(copy.copy(connection.become))
    return found


def lost_connection(error: Exception) -> TransportError:
    """That Ansible could not reach the host, or lost it."""
    return TransportError(
        f"It was not reached: {str(error).strip().rstrip('.:')}",
        f"Find out whether it is up and lets you in (ansible -m ping), and {_AGAIN}",
    )


def no_answer(answer: t.Mapping[str, t.Any]) -> HostError:
    """That the module ended without an answer of its own; I(answer) is what Ansible makes of that."""
    said = str(answer.get("module_stderr") or answer["module_stdout"]).strip().splitlines()
    return HostError(
        f"The module ended without an answer, with exit code {answer.get('rc')}: {said[-1] if said else 'it said nothing'}",
        "Something may have killed it, for want of memory for example (journalctl -k), or the host has no Python that can run it "
        f"(ansible_python_interpreter). Mend that and {_AGAIN}",
    )
