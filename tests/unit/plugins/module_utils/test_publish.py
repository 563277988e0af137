# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a registry lacks of a bundle, and that it is not believed. Sending with skopeo is tested with real registries."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _bundle, _bundle_writer, _layout, _oci
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._errors import RegistryError
from ansible_collections.airlift.registry.plugins.module_utils._pool import Pool
from ansible_collections.airlift.registry.plugins.module_utils._publication import Publication, publications
from ansible_collections.airlift.registry.plugins.module_utils._publish import Plan, make_plan, send
from ansible_collections.airlift.registry.plugins.module_utils._reference import parse_reference
from ansible_collections.airlift.registry.plugins.module_utils._referrers import Referrer, fallback_tag
from ansible_collections.airlift.registry.plugins.module_utils._registry import Access, Registry
from ansible_collections.airlift.registry.plugins.module_utils._restore import Restorer
from ansible_collections.airlift.registry.plugins.module_utils._skopeo import Skopeo
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer
from ansible_collections.airlift.registry.tests.unit.plugins.support.certificates import Certificate, make_certificate
from ansible_collections.airlift.registry.tests.unit.plugins.support.distribution import Distribution, distribution

APP, PLAIN = "docker.io/library/app:v1", "docker.io/library/plain:v1"
PLATFORMS = {"linux/amd64": [images.layer("amd")], "linux/arm64": [images.layer("arm")]}
SIGNATURE, SBOM = "application/vnd.example.signature", "application/spdx+json"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> _bundle.Bundle:
    """An index with an SBOM and a signature of cosign's, and a plain image."""
    path = tmp_path_factory.mktemp("publish") / "bundle"
    with _bundle_writer.work_directory(str(path)) as work:
        store = BlobStore(work)
        packed = bundles.pack_index(store, APP, PLATFORMS, b'{"predicate": {}}')
        digest = packed[0].image.target.digest
        name = f"docker.io/library/app:{fallback_tag(digest)}.sig"
        referrers = [bundles.refer(store, digest, SBOM), bundles.refer(store, digest, SIGNATURE, name)]
        packed.append(bundles.pack(store, PLAIN, [images.layer("plain")]))
        _bundle_writer.write_bundle(store, packed, str(path), str(signer.key), run_program, referrers=referrers)
    return _bundle.load_bundle(str(path), str(signer.allowed_signers), run_program)


@dataclass(frozen=True)
class Site:
    """A registry and a bundle for it."""

    state: Distribution
    registry: Registry
    bundle: _bundle.Bundle

    @property
    def app(self) -> Publication:
        app, _plain = publications(dict.fromkeys(self.bundle.images, self.bundle), [self.bundle], self.place)
        return app

    def place(self, name: str) -> t.Any:
        reference = parse_reference(name)
        return parse_reference(f"{self.registry.host}/{reference.path}:{reference.tag}")

    @property
    def pool(self) -> Pool:
        return Pool([self.bundle], Restorer("/nowhere", run_program))

    def plan(self) -> Plan:
        return make_plan(self.registry, self.app)

    def fill(self, *left_out: str) -> None:
        """Put everything into the registry, but manifests with these digests, and list it."""
        for item in self.app.items:
            if item.manifest.digest in left_out:
                continue
            data = self.document(item.manifest)
            self.state.put("", item.manifest.media_type, data)
            if item.tag:
                self.state.put(item.tag, item.manifest.media_type, data)
            elif item.referrer:
                self.state.list_referrer(item.referrer.subject, item.referrer.to_json())
            self.state.blobs.update({blob.digest: b"" for blob in item.blobs})

    def document(self, manifest: _oci.Descriptor) -> bytes:
        return self.bundle.files.read(_layout.blob_name(manifest.digest), _oci.MAX_DOCUMENT)

    def referrer(self, kind: str) -> Referrer:
        return next(referrer for referrer in self.bundle.referrers if referrer.artifact_type == kind)


@pytest.fixture(params=["api", "tags"])
def site(request: pytest.FixtureRequest, certificate: Certificate, bundle: _bundle.Bundle) -> t.Iterator[Site]:
    state = Distribution(referrers={} if request.param == "api" else None)
    with distribution(state, certificate) as host:
        yield Site(state, Registry(host, Access(ca_path=str(certificate.path)), 5), bundle)


def test_a_name_is_its_platforms_then_its_index_then_what_refers_to_it(bundle: _bundle.Bundle) -> None:
    by_image = dict.fromkeys(bundle.images, bundle)
    app, plain = publications(by_image, [bundle], lambda name: parse_reference(f"host.example/{name[10:]}"))
    assert [len(item.blobs) for item in app.items[:4]] == [2, 2, 2, 0]
    assert [item.tag for item in app.items[:4]] == ["", "", "", "v1"]
    assert app.items[3].manifest == app.target
    assert {item.tag for item in app.items[4:]} == {"", f"{fallback_tag(app.target.digest)}.sig"}
    assert app.platforms == tuple(PLATFORMS)
    assert [(item.tag, item.referrer) for item in plain.items] == [("v1", None)]


def test_an_empty_registry_lacks_everything_and_a_full_one_nothing(site: Site) -> None:
    plan = site.plan()
    assert (plan.before, plan.lacking) == (None, site.app.items)
    assert plan.missing == {blob.digest: blob.size for item in site.app.items for blob in item.blobs}
    site.fill()
    assert site.plan() == Plan(site.app.target.digest, (), {})


def test_a_platform_that_was_lost_is_lacking(site: Site) -> None:
    first = site.app.items[0]
    site.fill(first.manifest.digest)
    sizes = {blob.digest: blob.size for blob in first.blobs}
    assert site.plan() == Plan(site.app.target.digest, (first,), sizes)


def test_a_referrer_that_nobody_lists_is_lacking(site: Site) -> None:
    site.fill()
    if site.state.referrers is not None:
        site.state.referrers.clear()
    else:
        del site.state.manifests[fallback_tag(site.app.target.digest)]
    assert [item.manifest for item in site.plan().lacking] == [site.referrer(SBOM).manifest]


def with_layers(site: Site, *layers: dict[str, t.Any]) -> bytes:
    document = json.loads(site.document(site.referrer(SIGNATURE).manifest))
    return json.dumps({**document, "layers": layers}).encode()


LAYER = {"mediaType": "x", "digest": "sha256:" + "c" * 64, "size": 1}


def test_a_tag_of_cosigns_with_more_signatures_is_left_alone(site: Site) -> None:
    """Somebody signed at the other end, too; the signature from the bundle is among them."""
    site.fill()
    site.state.put(site.referrer(SIGNATURE).tag, _oci.OCI_MANIFEST, with_layers(site, LAYER))
    assert site.plan().lacking == ()


@pytest.mark.parametrize("data", [pytest.param(b"no json", id="no JSON"), pytest.param(b"[]", id="no object")])
def test_a_tag_of_cosigns_with_something_else_is_an_error(site: Site, data: bytes) -> None:
    site.fill()
    site.state.put(site.referrer(SIGNATURE).tag, _oci.OCI_MANIFEST, data)
    with pytest.raises(RegistryError) as error:
        site.plan()
    assert site.referrer(SIGNATURE).tag in error.value.problem
    assert "not touched" in error.value.next_step


def test_an_index_is_pushed_as_it_is(site: Site) -> None:
    site.fill()
    index = site.app.items[3]
    del site.state.manifests["v1"]
    plan = site.plan()
    assert plan.lacking == (index,)
    send(site.registry, Skopeo(run_program), site.app, plan, site.pool, "/nowhere")
    assert site.state.manifests["v1"] == (_oci.OCI_INDEX, site.document(index.manifest))
    assert site.plan().lacking == ()


def test_a_registry_that_forgets_is_told_from_one_that_has_it(site: Site) -> None:
    site.fill()
    del site.state.manifests["v1"]
    site.state.forgets = True
    with pytest.raises(RegistryError, match=f"library/app:v1 is not {site.app.target.digest} after the upload"):
        send(site.registry, Skopeo(run_program), site.app, site.plan(), site.pool, "/nowhere")
