#!/usr/bin/python
# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: garage_cluster
short_description: Declare the nodes of a Garage cluster, a bucket, and the key that may use it
version_added: 1.0.0
author:
  - The airlift.registry authors (@airlift)
description:
  - Introduces the nodes to each other, makes their layout the declared one, and sees to a bucket and to a key that may read and write there.
  - A node of the layout that is not declared is removed from it. A removed node that is dead is not waited for, as long as all that it had is elsewhere.
  - Asks the administration API of one node; it runs on that node's host, once for the cluster.
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
  endpoint:
    description: Where the administration API of the node answers, as C(http://HOST:PORT).
    type: str
    default: http://127.0.0.1:3903
  token:
    description: The node's C(admin_token).
    type: str
    required: true
  nodes:
    description: All nodes that the cluster shall have.
    type: list
    elements: dict
    required: true
    suboptions:
      id:
        description: The node's ID, as C(garage node id) shows it before the C(@).
        type: str
        required: true
      address:
        description: Where its RPC answers the other nodes, as C(HOST:PORT).
        type: str
        required: true
      zone:
        description: Nodes that may die together have the same zone. Copies of one thing are kept in different zones where there are enough.
        type: str
        required: true
      capacity:
        description: How much the node may keep, as V(500G).
        type: str
        required: true
  bucket:
    description: Name of the bucket.
    type: str
    required: true
  access_key:
    description: ID of the key, V(GK) and 24 hexadecimal digits.
    type: str
    required: true
  secret_key:
    description: Secret of the key, 64 hexadecimal digits. Garage never changes the secret of a key that it has.
    type: str
    required: true
  wait_seconds:
    description: How long to wait for the nodes to see each other.
    type: int
    default: 60
seealso:
  - module: airlift.registry.s3_check
"""

EXAMPLES = r"""
- name: Declare the object store
  airlift.registry.garage_cluster:
    token: "{{ vault_garage_admin_token }}"
    nodes:
      - {id: "{{ node_ids.node1 }}", address: "192.0.2.11:3901", zone: node1, capacity: 500G}
      - {id: "{{ node_ids.node2 }}", address: "192.0.2.12:3901", zone: node2, capacity: 500G}
      - {id: "{{ node_ids.node3 }}", address: "192.0.2.13:3901", zone: node3, capacity: 500G}
    bucket: images
    access_key: "{{ vault_s3_access_key }}"
    secret_key: "{{ vault_s3_secret_key }}"
  run_once: true
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["layout: set 4f8e2c91a5b0d3e7 (zone node3)", "bucket: create images"]
problem:
  description: What is wrong, on failure.
  returned: failure
  type: str
  sample: "http://127.0.0.1:3903 does not reach 192.0.2.13:3901 within 60 s"
next_step:
  description: What to do about it, on failure.
  returned: failure
  type: str
  sample: Check that Garage runs there with the same rpc_secret, and that the nodes reach each other at this port.
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.formatters import human_to_bytes

from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._garage import Garage, Node, layout_changes, may_use
from ansible_collections.airlift.registry.plugins.module_utils._module import run_module


class Cluster:
    """Brings one cluster to its declared state."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._params = module.params
        self._garage = Garage(self._params["endpoint"], self._params["token"])
        self._nodes = [_node(entry) for entry in self._params["nodes"]]
        self._changes: list[str] = []

    def declare(self) -> dict[str, t.Any]:
        """See to nodes, layout, key and bucket; the result of the task."""
        self._connect()
        # Without a layout, which check mode does not make, there is neither key nor bucket, nor anybody to ask for them.
        works = self._layout()
        self._key(works)
        self._bucket(works)
        diff = {"before": "", "after": "".join(f"{change}\n" for change in self._changes)}
        return {"changed": bool(self._changes), "changes": self._changes, "diff": diff}

    def _connect(self) -> None:
        unseen = self._garage.unseen(self._nodes)
        self._changes += [f"nodes: connect {node.address}" for node in unseen]
        if unseen and not self._module.check_mode:
            self._garage.connect(self._nodes, self._params["wait_seconds"])

    def _layout(self) -> bool:
        """Make the layout the declared one; whether there is one now."""
        layout = self._garage.get("GetClusterLayout")
        changes = layout_changes(layout["roles"], self._nodes)
        self._changes += [_told(change) for change in changes]
        if self._module.check_mode:
            return bool(layout["roles"])
        if changes:
            self._garage.change_layout(changes, layout["version"])
        self._garage.await_quorum(self._params["wait_seconds"])
        return True

    def _key(self, works: bool) -> None:
        access_key, secret = self._params["access_key"], self._params["secret_key"]
        found = works and self._garage.get("GetKeyInfo", absent=True, id=access_key, showSecretKey="true")
        if found and found["secretAccessKey"] != secret:
            raise InputError(
                f"Garage has key {access_key} with another secret, and does not change it",
                "Set the secret_key that it had, or choose another access_key.",
            )
        if not found:
            self._changes.append(f"key: create {access_key}")
        if not found and not self._module.check_mode:
            body = {"accessKeyId": access_key, "secretAccessKey": secret, "name": self._params["bucket"]}
            self._garage.post("ImportKey", body)

    def _bucket(self, works: bool) -> None:
        name, access_key = self._params["bucket"], self._params["access_key"]
        found = works and self._garage.get("GetBucketInfo", absent=True, globalAlias=name)
        if not found:
            self._changes.append(f"bucket: create {name}")
        if not found and not self._module.check_mode:
            found = self._garage.post("CreateBucket", {"globalAlias": name})
        if found and may_use(found, access_key):
            return
        self._changes.append(f"bucket: let {access_key} use {name}")
        if found and not self._module.check_mode:
            self._garage.allow(found["id"], access_key)


def _node(entry: t.Mapping[str, str]) -> Node:
    try:
        # Garage means powers of ten by K, M, G and T; a layout is a matter of ratios.
        capacity = human_to_bytes(entry["capacity"])
    except ValueError as error:
        raise InputError(f"{entry['capacity']} is no capacity", "Write a number and a unit, as 500G.") from error
    return Node(entry["id"], entry["address"], entry["zone"], capacity)


def _told(change: t.Mapping[str, t.Any]) -> str:
    node = str(change["id"])[:16]
    return f"layout: remove {node}" if change.get("remove") else f"layout: set {node} (zone {change['zone']})"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "endpoint": {"type": "str", "default": "http://127.0.0.1:3903"},
            "token": {"type": "str", "required": True, "no_log": True},
            "nodes": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "id": {"type": "str", "required": True},
                    "address": {"type": "str", "required": True},
                    "zone": {"type": "str", "required": True},
                    "capacity": {"type": "str", "required": True},
                },
            },
            "bucket": {"type": "str", "required": True},
            "access_key": {"type": "str", "required": True, "no_log": False},
            "secret_key": {"type": "str", "required": True, "no_log": True},
            "wait_seconds": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: Cluster(module).declare())


if __name__ == "__main__":
    main()
