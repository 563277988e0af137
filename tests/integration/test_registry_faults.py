# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Registries that refuse, stumble or lie, with real skopeo: one clear error or an image, in bounded time, and nothing half-done."""

from __future__ import annotations

import json
import os
import shutil
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed
from ansible_collections.airlift.registry.plugins.module_utils._skopeo import Skopeo, write_authfile
from ansible_collections.airlift.registry.plugins.module_utils._source import identify_all, parse_list
from ansible_collections.airlift.registry.plugins.module_utils._source_registry import RegistrySource
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.support import images
from ansible_collections.airlift.registry.tests.unit.plugins.support.certificates import Certificate, make_certificate
from ansible_collections.airlift.registry.tests.unit.plugins.support.distribution import (
    Distribution,
    DistributionHandler,
    distribution,
)

BASE, TOP, ARM = images.layer("base"), images.layer("top"), images.layer("arm")
PATIENCE = 2  # seconds
Fault = t.Callable[[DistributionHandler, str, str], bool]


@dataclass(frozen=True)
class Site:
    """A registry and a place for what comes from it."""

    state: Distribution
    host: str
    certificate: Certificate
    directory: Path

    @property
    def store(self) -> Path:
        return self.directory / "store"

    def fetch(self, *values: t.Any) -> list[Packed]:
        (self.directory / "certs").mkdir(exist_ok=True)
        shutil.copy(self.certificate.path, self.directory / "certs")
        authfile = self.directory / "auth.json"
        if not authfile.exists():
            write_authfile(str(authfile), self.host, "ops", "secret")
        skopeo = Skopeo(run_program, str(authfile), str(self.directory / "certs"), PATIENCE)
        kinds = {"docker": RegistrySource(skopeo, 4)}
        listed = [json.loads(json.dumps(value).replace("HOST", self.host)) for value in values]
        wanted = parse_list(listed, "linux/amd64")
        store = BlobStore(str(self.store))
        packed = kinds["docker"].fetch(wanted, identify_all(kinds, wanted, 4), store)
        store.remove_unused()
        return packed

    def stored(self) -> dict[str, bytes]:
        """The blobs, each of which must be what its name says; there is nothing but blobs."""
        assert [path.name for path in self.store.iterdir()] in ([], ["blobs"])
        found = {f"sha256:{path.name}": path.read_bytes() for path in self.store.glob("blobs/sha256/*")}
        assert all(_oci.digest_of(data) == digest for digest, data in found.items())
        return found


@pytest.fixture
def site(tmp_path: Path) -> t.Iterator[Site]:
    certificate = make_certificate(tmp_path)
    state = Distribution()
    state.add("1", [BASE, TOP])
    with distribution(state, certificate) as host:
        yield Site(state, host, certificate, tmp_path)


def layer_of(site: Site) -> str:
    """The digest of the upper layer of the image."""
    return str(json.loads(site.state.manifests["1"][1])["layers"][1]["digest"])


def is_layer(handler: DistributionHandler, reference: str) -> bool:
    return reference == json.loads(handler.state.manifests["1"][1])["layers"][1]["digest"]


def once(fault: Fault) -> Fault:
    happened: list[bool] = []

    def only_first(handler: DistributionHandler, kind: str, reference: str) -> bool:
        if not happened and fault(handler, kind, reference):
            happened.append(True)
            return True
        return False

    return only_first


def other_bytes(handler: DistributionHandler, _kind: str, reference: str) -> bool:
    if is_layer(handler, reference):
        handler.answer(200, handler.state.blobs[reference][::-1])
    return is_layer(handler, reference)


def fewer_bytes(handler: DistributionHandler, _kind: str, reference: str) -> bool:
    if is_layer(handler, reference):
        handler.answer(200, handler.state.blobs[reference][:-1])
    return is_layer(handler, reference)


def endless_bytes(handler: DistributionHandler, _kind: str, reference: str) -> bool:
    if is_layer(handler, reference):
        handler.endless()
    return is_layer(handler, reference)


def endless_manifest(handler: DistributionHandler, kind: str, _reference: str) -> bool:
    if kind == "manifests":
        handler.endless()
    return kind == "manifests"


def cut(handler: DistributionHandler, _kind: str, reference: str) -> bool:
    if is_layer(handler, reference):
        handler.cut(handler.state.blobs[reference])
    return is_layer(handler, reference)


def silence(handler: DistributionHandler, _kind: str, reference: str) -> bool:
    if is_layer(handler, reference):
        handler.silent(handler.state.blobs[reference])
    return is_layer(handler, reference)


def another_manifest(handler: DistributionHandler, kind: str, reference: str) -> bool:
    if kind == "manifests" and reference.startswith("sha256:"):
        media_type, data = handler.state.manifests[reference]
        handler.answer(200, data + b" ", Content_Type=media_type)
        return True
    return False


def broken(handler: DistributionHandler, _kind: str, reference: str) -> bool:
    if is_layer(handler, reference):
        handler.answer(503)
    return is_layer(handler, reference)


def too_many(handler: DistributionHandler, _kind: str, reference: str) -> bool:
    if is_layer(handler, reference):
        handler.answer(429, Retry_After="1")
    return is_layer(handler, reference)


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        pytest.param(other_bytes, "igest", id="other bytes"),
        pytest.param(fewer_bytes, "igest", id="wrong length"),
        pytest.param(endless_bytes, "file too large", id="endless blob"),
        pytest.param(endless_manifest, "docker://HOST/app", id="endless manifest"),
        pytest.param(cut, "EOF", id="cut each time"),
        pytest.param(silence, f"nothing came for {PATIENCE} seconds", id="silence"),
        pytest.param(another_manifest, "a blob that is not sha256:", id="another manifest"),
    ],
)
def test_a_registry_that_lies(site: Site, fault: Fault, problem: str) -> None:
    site.state.fault = fault
    started = time.monotonic()
    with pytest.raises(AirliftError, match=problem.replace("HOST", site.host)) as error:
        site.fetch({"source": f"docker://HOST/app@{_oci.digest_of(site.state.manifests['1'][1])}", "name": "app:1"})
    assert time.monotonic() - started < 60
    assert f"docker://{site.host}/app" in error.value.problem
    assert error.value.next_step
    assert layer_of(site) not in site.stored()


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(once(cut), id="cut once"),
        pytest.param(once(broken), id="in trouble once"),
        pytest.param(once(too_many), id="too many requests"),
    ],
)
def test_a_registry_that_stumbles(site: Site, fault: Fault) -> None:
    site.state.fault = fault
    (packed,) = site.fetch("docker://HOST/app:1")
    assert set(site.stored()) == {packed.image.manifest.digest, *site.state.blobs}
    assert site.state.count(layer_of(site)) == 2


def test_a_token_that_expires_is_asked_for_anew(site: Site) -> None:
    """Tokens are good for the first blob only, whatever they said of themselves."""
    valid: list[str] = []
    blobs: list[str] = []

    def authenticate(handler: DistributionHandler, kind: str, reference: str) -> bool:
        if handler.path.startswith("/token"):
            valid[:] = [f"token{len(site.state.seen)}"]
            handler.answer_json({"token": valid[0], "expires_in": 3600})
            return True
        if handler.headers.get("Authorization") in [f"Bearer {token}" for token in valid]:
            if kind == "blobs":
                blobs.append(reference)
                if len(blobs) == 2:
                    valid.clear()
            return False
        realm = f'Bearer realm="https://{site.host}/token",service="here",scope="repository:app:pull"'
        handler.answer(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"expired"}]}', WWW_Authenticate=realm)
        return True

    site.state.fault = authenticate
    site.fetch("docker://HOST/app:1")
    assert set(site.state.blobs) <= set(site.stored())


def test_credentials_do_not_follow_to_another_host(site: Site, tmp_path: Path) -> None:
    storage = Distribution(blobs=site.state.blobs)
    with distribution(storage, site.certificate) as elsewhere:

        def redirect(handler: DistributionHandler, kind: str, reference: str) -> bool:
            if not handler.headers.get("Authorization"):
                handler.answer(401, WWW_Authenticate='Basic realm="here"')
            elif kind == "blobs":
                handler.answer(307, Location=f"https://{elsewhere.replace('127.0.0.1', 'localhost')}{handler.path}")
                return True
            return not handler.headers.get("Authorization")

        site.state.fault = redirect
        site.fetch("docker://HOST/app:1")
    assert set(site.state.blobs) <= set(site.stored())
    assert any(entry.startswith("Basic") for entry in site.state.authorizations)
    assert set(storage.authorizations) == {""}


def test_what_came_before_a_fault_is_not_fetched_again(site: Site) -> None:
    site.state.fault = other_bytes
    with pytest.raises(AirliftError):
        site.fetch("docker://HOST/app:1")
    kept = set(site.stored()) & set(site.state.blobs)
    site.state.fault = lambda _handler, _kind, _reference: False
    site.state.seen.clear()
    site.fetch("docker://HOST/app:1")
    assert {digest: site.state.count(digest) for digest in site.state.blobs} == {
        digest: int(digest not in kept) for digest in site.state.blobs
    }


@pytest.mark.parametrize("media_type", _oci.MANIFEST_TYPES)
def test_images_that_share_a_layer_fetch_it_once(site: Site, media_type: str) -> None:
    """Six at once; manifests of Docker's own type keep their bytes too."""
    digests = [site.state.add(str(number), [BASE, images.layer(str(number))], media_type) for number in range(10, 16)]
    packed = site.fetch(*(f"docker://HOST/app{number}:{number}" for number in range(10, 16)))
    assert [entry.image.manifest.digest for entry in packed] == digests
    layers = {layer.blob.digest for entry in packed for layer in entry.image.layers}
    assert {digest: site.state.count(digest) for digest in layers} == dict.fromkeys(layers, 1)
    assert set(digests) <= set(site.stored())


@pytest.mark.parametrize(
    ("platforms", "layers"),
    [
        pytest.param(["linux/arm64"], 2, id="one"),
        pytest.param(["linux/arm64", "linux/amd64"], 3, id="some"),
        pytest.param(["all"], 4, id="all"),
    ],
)
def test_platforms(site: Site, platforms: list[str], layers: int) -> None:
    names = ("linux/amd64", "linux/arm64", "linux/riscv64")
    digests = {
        name: site.state.add("", [BASE, images.layer(name)], architecture=name.partition("/")[2]) for name in names
    }
    attestation = site.state.add_attestation(b'{"predicate": {}}')
    index = site.state.add_index("many", {**digests, _oci.NO_PLATFORM: attestation})
    packed = site.fetch({"source": "docker://HOST/app:many", "platforms": platforms})
    taken = set(names) if platforms == ["all"] else set(platforms)
    assert {entry.image.platform: entry.image.manifest.digest for entry in packed} == {
        name: digests[name] for name in taken
    }
    assert {entry.source_id for entry in packed} == {index}
    assert len({layer.blob.digest for entry in packed for layer in entry.image.layers}) == layers
    assert (attestation in site.stored()) is (platforms == ["all"])
    assert (packed[0].image.target.digest == index) is (platforms == ["all"])
    assert packed[0].image.target.digest in site.stored()


def test_a_second_kill_costs_nothing_either(site: Site) -> None:
    """What lies half-done in a store is neither used nor in the way."""
    packed = site.fetch("docker://HOST/app:1")
    blob = packed[0].image.layers[0].blob
    path = site.store / "blobs/sha256" / blob.digest[7:]
    os.truncate(path, blob.size // 2)
    site.fetch("docker://HOST/app:1")
    assert path.stat().st_size == blob.size
    assert site.state.count(blob.digest) == 2
