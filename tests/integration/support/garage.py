# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Garage of one node in a container on this machine's engine, with one bucket and one key."""

from __future__ import annotations

import secrets
import subprocess
import typing as t
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
from botocore.config import Config

from ansible_collections.airlift.registry.tests.integration.support.lab import NAME, eventually, free_port, lab

CONTAINER = f"airlift-{NAME}-garage"
BUCKET = "images"
REGION = "garage"
CONFIG = """\
metadata_dir = "/var/lib/garage/meta"
data_dir = "/var/lib/garage/data"
db_engine = "lmdb"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:{rpc}"
rpc_public_addr = "127.0.0.1:{rpc}"
rpc_secret = "{secret}"

[s3_api]
api_bind_addr = "127.0.0.1:{s3}"
s3_region = "{region}"

[admin]
api_bind_addr = "127.0.0.1:{admin}"
admin_token = "{token}"
"""
ADMIN_TOKEN = "administrator"


class Store(t.NamedTuple):
    """A running Garage that knows one bucket and one key."""

    address: str
    key_id: str
    secret: str

    def client(self, secret: str = "") -> t.Any:
        return boto3.client(
            "s3",
            endpoint_url=self.address,
            region_name=REGION,
            aws_access_key_id=self.key_id,
            aws_secret_access_key=secret or self.secret,
            config=Config(s3={"addressing_style": "path"}, connect_timeout=5, read_timeout=20),
        )


class Node(t.NamedTuple):
    """A running Garage without a layout: its ID, HOST:PORT of its RPC, and the addresses of its S3 and its administration."""

    node_id: str
    rpc: str
    s3: str
    admin: str


@contextmanager
def garage_node(directory: Path) -> Iterator[Node]:
    """Run Garage with its configuration in I(directory)."""
    image = lab("image", "garage").split()[1]
    rpc, s3, admin = free_port(), free_port(), free_port()
    config = directory / "garage.toml"
    config.write_text(
        CONFIG.format(rpc=rpc, s3=s3, admin=admin, secret=secrets.token_hex(32), region=REGION, token=ADMIN_TOKEN)
    )
    subprocess.run(["docker", "rm", "--force", "--volumes", CONTAINER], check=False, capture_output=True)
    start(image, config)
    try:
        node = eventually(lambda: garage("node", "id", "--quiet", check=False), "the node").partition("@")[0]
        eventually(lambda: node[:16] in garage("status", check=False), "the node's answer")
        yield Node(node, f"127.0.0.1:{rpc}", f"http://127.0.0.1:{s3}", f"http://127.0.0.1:{admin}")
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", CONTAINER], check=True, capture_output=True)


@contextmanager
def garage_store(directory: Path) -> Iterator[Store]:
    """The same with a layout, a bucket and a key."""
    with garage_node(directory) as node:
        yield furnish(node)


def start(image: str, config: Path) -> None:
    subprocess.run(
        [
            "docker", "run", "--detach", "--name", CONTAINER, "--network", "host", "--memory", "512m",
            "--volume", f"{config}:/etc/garage.toml:ro", "--tmpfs", "/var/lib/garage", image,
        ],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def furnish(node: Node) -> Store:
    """Give the node a place in the layout, and make a bucket and a key for it."""
    garage("layout", "assign", "--zone", "lab", "--capacity", "1G", node.node_id)
    garage("layout", "apply", "--version", "1")
    garage("bucket", "create", BUCKET)
    key = dict(line.split(":", 1) for line in garage("key", "create", "test").splitlines() if ":" in line)
    store = Store(node.s3, key["Key ID"].strip(), key["Secret key"].strip())
    garage("bucket", "allow", "--read", "--write", BUCKET, "--key", store.key_id)
    return store


def garage(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["docker", "exec", CONTAINER, "/garage", *arguments], capture_output=True, text=True)
    assert not check or done.returncode == 0, f"garage {arguments}: {done.stdout}{done.stderr}"
    return done.stdout if done.returncode == 0 else ""
