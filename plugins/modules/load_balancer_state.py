#!/usr/bin/python
# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: load_balancer_state
short_description: Drain a registry at the load balancer of a host, or close its write gate
version_added: 1.0.0
author:
  - The airlift.registry authors (@airlift)
description:
  - A registry that is drained gets no new requests; those in flight are waited for. Then it can be stopped, and no client notices.
  - While the write gate is closed, uploads and deletions are answered 503 and pulls go on, as the collection of garbage wants it. Those begun are waited for.
  - Speaks to one HAProxy, at its admin socket. Every host of the registry has one of its own, so the task runs on each of them.
  - A drained registry gets requests again when HAProxy loads a new configuration. The gate stays as it is, also when the host starts anew.
extends_documentation_fragment:
  - airlift.registry._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  registry:
    description: Name of the registry's host in the inventory.
    type: str
    default: ""
  registry_state:
    description: Whether O(registry) gets requests (V(ready)) or no new ones (V(drained)).
    type: str
    choices: [ready, drained]
    default: ready
  writes:
    description: Whether clients may write. Without it, the gate is left as it is.
    type: str
    choices: [open, closed]
  wait_seconds:
    description: How long to wait for what is in flight. When it is not done by then, the task fails and leaves registry and gate as they were asked for.
    type: int
    default: 60
  socket:
    description: The admin socket of HAProxy.
    type: path
    default: /run/airlift-load-balancer/admin.sock
  gate:
    description: The file by which the gate stays closed when HAProxy starts anew, as the configuration of the role airlift.registry.load_balancer names it.
    type: path
    default: /etc/airlift/load-balancer/gate.acl
seealso:
  - ref: airlift.registry.load_balancer role <ansible_collections.airlift.registry.load_balancer_role>
    description: Has this as its entry points drain, ready, close_writes and open_writes.
"""

EXAMPLES = r"""
- name: Send registry1 no new requests, on any of the balancers
  airlift.registry.load_balancer_state:
    registry: registry1
    registry_state: drained
  delegate_to: "{{ item }}"
  loop: "{{ groups['registry'] }}"

- name: Let nobody write
  airlift.registry.load_balancer_state:
    writes: closed
    wait_seconds: 600
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["registry1: drained"]
problem:
  description: What is wrong, on failure.
  returned: failure
  type: str
  sample: 2 requests to registry1 are still in flight after 60 s
next_step:
  description: What to do about it, on failure.
  returned: failure
  type: str
  sample: Run again to wait on, or set wait_seconds.
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._haproxy import CLOSED, READ, WRITE, Haproxy
from ansible_collections.airlift.registry.plugins.module_utils._module import run_module


class Balancer:
    """Brings one HAProxy to the state that is asked for."""

    def __init__(self, module: AnsibleModule) -> None:
        self._params = module.params
        self._check_mode = module.check_mode
        self._haproxy = Haproxy(self._params["socket"])
        self._changes: list[str] = []

    def bring(self) -> dict[str, t.Any]:
        """See to the registry and to the gate; the result of the task."""
        if self._params["registry"]:
            self._registry(self._params["registry"], self._params["registry_state"] == "drained")
        if self._params["writes"]:
            self._gate(self._params["writes"] == "closed")
        diff = {"before": "", "after": "".join(f"{change}\n" for change in self._changes)}
        return {"changed": bool(self._changes), "changes": self._changes, "diff": diff}

    def _registry(self, name: str, drained: bool) -> None:
        servers = {server.name: server for server in self._haproxy.servers()}
        if name not in servers:
            raise InputError(
                f"HAProxy knows no registry {name}, but {', '.join(servers)}", "Name one of these, or deploy."
            )
        others = [each for each in servers.values() if each.name != name and each.running and not each.drained]
        if drained and not others:
            raise HostError(
                f"Without {name} there is no registry to send requests to", "Bring another one back, and run again."
            )
        if servers[name].drained != drained:
            self._change(f"{name}: {'drained' if drained else 'ready'}", lambda: self._haproxy.drain(name, drained))
        if drained:
            self._wait((READ, WRITE), name, f"to {name}")

    def _gate(self, closed: bool) -> None:
        gate = self._params["gate"]
        if self._haproxy.gate_is_closed(gate) != closed or _kept(gate) != closed:
            self._change(f"writes: {'closed' if closed else 'open'}", lambda: self._turn(gate, closed))
        if closed:
            self._wait((WRITE,), "BACKEND", "that write")

    def _turn(self, gate: str, closed: bool) -> None:
        # The file first: a HAProxy that starts anew in between must not open what was asked to be closed.
        if _kept(gate) != closed:
            _keep(gate, closed)
        if self._haproxy.gate_is_closed(gate) != closed:
            self._haproxy.set_gate(gate, closed)

    def _change(self, told: str, work: t.Callable[[], None]) -> None:
        self._changes.append(told)
        if not self._check_mode:
            work()

    def _wait(self, backends: tuple[str, ...], server: str, told: str) -> None:
        if self._check_mode:
            return
        seconds = self._params["wait_seconds"]
        if busy := self._haproxy.await_silence(backends, server, seconds):
            raise HostError(
                f"{busy} requests {told} are still in flight after {seconds} s",
                "Run again to wait on, or set wait_seconds.",
            )


def _kept(gate: str) -> bool:
    """Whether the gate is closed for a HAProxy that starts anew."""
    return os.path.exists(gate)


def _keep(gate: str, closed: bool) -> None:
    if not closed:
        os.unlink(gate)
        return
    descriptor = os.open(f"{gate}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="ascii") as stream:
        stream.write(f"{CLOSED}\n")
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(f"{gate}.new", gate)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "registry": {"type": "str", "default": ""},
            "registry_state": {"type": "str", "choices": ["ready", "drained"], "default": "ready"},
            "writes": {"type": "str", "choices": ["open", "closed"]},
            "wait_seconds": {"type": "int", "default": 60},
            "socket": {"type": "path", "default": "/run/airlift-load-balancer/admin.sock"},
            "gate": {"type": "path", "default": "/etc/airlift/load-balancer/gate.acl"},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: Balancer(module).bring())


if __name__ == "__main__":
    main()
