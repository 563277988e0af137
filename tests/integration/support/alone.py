# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What balancers are compared with: one registry of the same configuration that is asked directly."""

from __future__ import annotations

import re
import typing as t
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.airlift.registry.tests.integration.support.balancer import IMAGES, Balancer, running
from ansible_collections.airlift.registry.tests.integration.support.garage import BUCKET, REGION, garage_store
from ansible_collections.airlift.registry.tests.integration.support.lab import eventually, free_port

PREFIX = "behind"


@contextmanager
def stored(kind: str, directory: Path) -> t.Iterator[dict[str, t.Any]]:
    """What the roles are told of a storage, C(filesystem) or C(s3), as deploy has it."""
    if kind == "filesystem":
        yield {}
        return
    with garage_store(directory) as store:
        storage = {
            "type": "s3", "endpoint": store.address, "region": REGION, "bucket": BUCKET, "access_key": store.key_id,
            "secret_key": store.secret, "prefix": PREFIX,
        }  # fmt: skip
        yield {
            "registry_storage": storage,
            "load_balancer_sticky_uploads": False,
            "load_balancer_empty_blobs": False,
        }


@contextmanager
def alone(balancer: Balancer, address: str = "127.0.0.1", apart: bool = False) -> t.Iterator[str]:
    """One registry, without TLS: HOST:PORT. It serves the images of those behind the balancer, or, I(apart), none of them."""
    host = f"{address}:{free_port()}"
    place = balancer.directory / "alone"
    place.mkdir()
    config = (balancer.directory / "registry/config.yml").read_text()
    (place / "config.yml").write_text(
        _directly(config, host).replace(f"/{PREFIX}", "/apart" if apart else f"/{PREFIX}")
    )
    images = place / "data" if apart else balancer.directory / "data"
    volumes = [f"{place}:/etc/distribution:ro", f"{images}:/var/lib/registry"]
    with running(f"{balancer.container}-alone", IMAGES["registry"], volumes):
        eventually(lambda: _answers(host), "the registry")
        yield host


def _directly(config: str, host: str) -> str:
    """The configuration less TLS, which asks for the certificates of balancers, and less the second port."""
    config = re.sub(r"  (tls|debug):\n(    .*\n)+", "", config)
    return re.sub(r"addr: .*", f"addr: {host}", config)


def _answers(host: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{host}/v2/", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
