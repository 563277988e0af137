# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry on a bucket of somebody else's, by HTTPS of an unknown authority and under a prefix, with Distribution 3.1 and 2.8.

Somebody else is Garage behind a HAProxy.
"""

from __future__ import annotations

import hashlib
import json
import os
import typing as t
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support import lab as labs
from ansible_collections.airlift.registry.tests.integration.support.access import ALL, user
from ansible_collections.airlift.registry.tests.integration.support.balancer import IMAGES, Balancer, balanced, running
from ansible_collections.airlift.registry.tests.integration.support.garage import BUCKET, REGION, Store, garage_store
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result
from ansible_collections.airlift.registry.tests.unit.plugins.support.certificates import Certificate, make_certificate

PREFIX = "sites/north"
REPOSITORY = "/v2/team/app"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
ACCESS = {
    "load_balancer_users": [user("writer")],
    "load_balancer_rules": [{"users": ["writer"], "repositories": ["team/*"], "allow": ALL}],
    "load_balancer_empty_blobs": False,
    "load_balancer_sticky_uploads": False,
}
# More than one part of an upload.
LAYER = os.urandom(1024 * 1024) * 40
FRONT = """\
defaults
  mode http
  timeout connect 5s
  timeout client 1m
  timeout server 1m
listen front
  bind 127.0.0.1:{port} ssl crt /etc/front/front.pem ssl-min-ver TLSv1.2
  server garage {garage}
"""


class Foreign(t.NamedTuple):
    """A store by HTTPS: where it is, who vouches for it, and what is behind."""

    endpoint: str
    certificate: Certificate
    store: Store

    def storage(self) -> dict[str, t.Any]:
        """What the role registry is told of it."""
        return {
            "type": "s3", "endpoint": self.endpoint, "region": REGION, "bucket": BUCKET, "access_key": self.store.key_id,
            "secret_key": self.store.secret, "prefix": PREFIX, "ca": str(self.certificate.path),
        }  # fmt: skip

    def keys(self) -> list[str]:
        """Of all objects in the bucket."""
        pages = self.store.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    labs.lab("image", "registry", "registry-2.8", "haproxy")
    directory = tmp_path_factory.mktemp("foreign")
    certificate, port = make_certificate(directory), labs.free_port()
    with garage_store(directory) as store:
        front = directory / "front"
        front.mkdir()
        (front / "front.pem").write_text(certificate.path.read_text() + certificate.key.read_text())
        (front / "front.cfg").write_text(FRONT.format(port=port, garage=store.address.removeprefix("http://")))
        options = ["--user", "0:0", "--entrypoint", "haproxy"]
        command = ["-W", "-db", "-f", "/etc/front/front.cfg"]
        with running(f"airlift-{labs.NAME}-front", IMAGES["haproxy"], [f"{front}:/etc/front:ro"], options, command):
            yield Foreign(f"https://127.0.0.1:{port}", certificate, store)


@contextmanager
def registry(foreign: Foreign, directory: Path, version: str) -> Iterator[Balancer]:
    directory.mkdir()
    with balanced(
        directory, "foreign", **ACCESS, registry_storage=foreign.storage(), registry_version=version
    ) as found:
        yield found


def push(balancer: Balancer, tag: str, layer: bytes) -> None:
    """Push an image of one layer."""
    config = b"{}"
    for blob in (config, layer):
        location = balancer.ask("POST", f"{REPOSITORY}/blobs/uploads/", "writer").location
        taken = balancer.ask("PUT", f"{location}&digest={digest(blob)}", "writer", blob)
        assert taken.status == 201, taken
    manifest = {
        "schemaVersion": 2, "mediaType": MANIFEST, "config": described("application/vnd.oci.image.config.v1+json", config),
        "layers": [described("application/vnd.oci.image.layer.v1.tar", layer)],
    }  # fmt: skip
    path = f"{REPOSITORY}/manifests/{tag}"
    taken = balancer.ask("PUT", path, "writer", json.dumps(manifest).encode(), Content_Type=MANIFEST)
    assert taken.status == 201, taken


def pull(balancer: Balancer, tag: str) -> bytes:
    """The layer of an image."""
    manifest = json.loads(balancer.ask("GET", f"{REPOSITORY}/manifests/{tag}", "writer", Accept=MANIFEST).body)
    return balancer.ask("GET", f"{REPOSITORY}/blobs/{manifest['layers'][0]['digest']}", "writer").body


def digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def described(media_type: str, blob: bytes) -> dict[str, t.Any]:
    return {"mediaType": media_type, "digest": digest(blob), "size": len(blob)}


def check(foreign: Foreign, directory: Path, ca: Path) -> Result:
    """What s3_check says of it."""
    inventory = directory / "inventory.yml"
    inventory.write_text("localhost:\n")
    options = {key: value for key, value in foreign.storage().items() if key not in ("type", "ca")}
    return Ansible(inventory, directory).local("s3_check", {**options, "ca_path": str(ca)})


def test_the_store_is_found_good(foreign: Foreign, tmp_path: Path) -> None:
    result = check(foreign, tmp_path, foreign.certificate.path)
    assert "msg" not in result, result["msg"]
    assert len(result["operations"]) == 11


def test_a_store_of_an_unknown_authority_is_not_spoken_with(foreign: Foreign, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    result = check(foreign, tmp_path, make_certificate(tmp_path / "other").path)
    assert "CERTIFICATE_VERIFY_FAILED" in result["problem"]


# Three registries, one after the other: a minute.
@pytest.mark.slow
def test_what_one_version_has_kept_the_other_one_serves(foreign: Foreign, tmp_path: Path) -> None:
    """To 2.8 and back. All of it is under the prefix."""
    with registry(foreign, tmp_path / "newer", "3.1") as newer:
        push(newer, "by-3.1", LAYER)
        assert pull(newer, "by-3.1") == LAYER
    with registry(foreign, tmp_path / "older", "2.8") as older:
        assert pull(older, "by-3.1") == LAYER
        push(older, "by-2.8", LAYER[1:])
        assert pull(older, "by-2.8") == LAYER[1:]
    with registry(foreign, tmp_path / "again", "3.1") as newer:
        assert (pull(newer, "by-3.1"), pull(newer, "by-2.8")) == (LAYER, LAYER[1:])
    found = foreign.keys()
    assert len(found) > 10
    assert [key for key in found if not key.startswith(f"{PREFIX}/docker/registry/v2/")] == []
