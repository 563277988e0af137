# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding what registries have attached to images: all three ways, bounded, and no lie believed."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._attached import (
    MAX_DEPTH,
    Attachable,
    attachable,
    find_attached,
    left_behind,
)
from ansible_collections.airlift.registry.plugins.module_utils._errors import RegistryError
from ansible_collections.airlift.registry.plugins.module_utils._lock import LockedImage
from ansible_collections.airlift.registry.plugins.module_utils._reference import parse_reference
from ansible_collections.airlift.registry.plugins.module_utils._referrers import Referrer, fallback_tag
from ansible_collections.airlift.registry.plugins.module_utils._registry import MAX_REFERRERS, Access, Registry
from ansible_collections.airlift.registry.tests.unit.plugins.support import images
from ansible_collections.airlift.registry.tests.unit.plugins.support.certificates import Certificate, make_certificate
from ansible_collections.airlift.registry.tests.unit.plugins.support.distribution import (
    Distribution,
    DistributionHandler,
    distribution,
)

SIGNATURE, SBOM = "application/vnd.example.signature", "application/spdx+json"
OTHER = "sha256:" + "b" * 64


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("ca"))


@dataclass(frozen=True)
class Site:
    """A registry with one image, C(team/app:1)."""

    state: Distribution
    registry: Registry
    image: str

    def find(self, name: str = "docker.io/library/app:1") -> list[Referrer]:
        image = Attachable(name, parse_reference(f"{self.registry.host}/team/app:1"), (self.image,))
        return [found.referrer for found in find_attached([image], lambda _repository: self.registry)]


@pytest.fixture(params=["api", "tags"])
def site(request: pytest.FixtureRequest, certificate: Certificate) -> t.Iterator[Site]:
    state = Distribution(referrers={} if request.param == "api" else None)
    image = state.add("1", [images.layer("base")])
    with distribution(state, certificate) as host:
        yield Site(state, Registry(host, Access(ca_path=str(certificate.path)), 5), image)


def test_finds_all_three_kinds_and_what_refers_to_them(site: Site) -> None:
    sbom = site.state.add_referrer(site.image, SBOM)
    about_sbom = site.state.add_referrer(sbom, SIGNATURE)
    tag = f"{fallback_tag(site.image)}.sig"
    signature = site.state.add_referrer(site.image, SIGNATURE, tag)
    found = {referrer.manifest.digest: referrer for referrer in site.find()}
    assert set(found) == {sbom, about_sbom, signature}
    assert [found[digest].subject for digest in (sbom, about_sbom, signature)] == [site.image, sbom, site.image]
    assert found[signature].name == f"docker.io/library/app:{tag}"
    assert (found[sbom].artifact_type, found[sbom].annotations, found[sbom].name) == (SBOM, {"kind": SBOM}, "")


def test_there_is_nothing_to_find(site: Site) -> None:
    assert site.find() == []


def test_a_manifest_that_refers_to_itself_is_found_once(site: Site) -> None:
    signature = site.state.add_referrer(site.image, SIGNATURE, f"{fallback_tag(site.image)}.sig")
    site.state.put(f"{fallback_tag(signature)}.sig", *site.state.manifests[signature])
    site.state.put(f"{fallback_tag(signature)}.att", *site.state.manifests[signature])
    assert {referrer.manifest.digest for referrer in site.find()} == {signature}
    assert site.state.count(f"{fallback_tag(signature)}.sig") == 1


def test_a_chain_ends_after_some_steps(site: Site) -> None:
    subject = site.image
    for _depth in range(MAX_DEPTH + 2):
        subject = site.state.add_referrer(subject, SIGNATURE)
    assert len(site.find()) == MAX_DEPTH
    assert site.state.count(subject) == 0


def test_two_images_with_the_same_digest_share_what_is_about_it(site: Site) -> None:
    signature = site.state.add_referrer(site.image, SIGNATURE)
    source = parse_reference(f"{site.registry.host}/team/app:1")
    both = [Attachable(f"docker.io/library/{name}:1", source, (site.image,)) for name in ("app", "other")]
    found = find_attached(both, lambda _repository: site.registry)
    assert [attached.referrer.manifest.digest for attached in found] == [signature]


def test_one_name_for_two_signatures_is_refused(site: Site, certificate: Certificate) -> None:
    tag = f"{fallback_tag(site.image)}.sig"
    site.state.add_referrer(site.image, SIGNATURE, tag)
    other = Distribution()
    other.add_referrer(site.image, SIGNATURE, tag, content=b'{"other": 1}')
    with distribution(other, certificate) as host:
        registries = {site.registry.host: site.registry, host: Registry(host, Access(ca_path=str(certificate.path)), 5)}
        both = [
            Attachable("docker.io/library/app:1", parse_reference(f"{place}/app:1"), (site.image,))
            for place in registries
        ]
        with pytest.raises(RegistryError, match=f"app:{tag} is one thing in the registry of one image"):
            find_attached(both, lambda repository: registries[repository.domain])


def answering(body: bytes, headers: t.Mapping[str, str] = {}, status: int = 200) -> t.Callable[[Site], None]:
    """A registry that answers this whenever it is asked for referrers, by API or tag."""

    def prepare(site: Site) -> None:
        def fault(handler: DistributionHandler, kind: str, reference: str) -> bool:
            asked = kind == "referrers" if site.state.referrers is not None else reference == fallback_tag(site.image)
            if asked:
                handler.answer(status, body, **{"Content_Type": _oci.OCI_INDEX, **headers})
            return asked

        site.state.fault = fault

    return prepare


def listing(*entries: dict[str, t.Any]) -> t.Callable[[Site], None]:
    return answering(Distribution.listing(entries))


def endless(site: Site) -> None:
    def fault(handler: DistributionHandler, kind: str, reference: str) -> bool:
        asked = kind == "referrers" or reference == fallback_tag(site.image)
        if asked and (site.state.referrers is not None) == (kind == "referrers"):
            handler.send_response(200)
            handler.send_header("Content-Type", _oci.OCI_INDEX)
            handler.end_headers()
            handler.close_connection = True
            try:
                while not site.state.ended.is_set():
                    handler.wfile.write(bytes(1024 * 1024))
            except OSError:
                site.state.ended.set()
            return True
        return False

    site.state.fault = fault


def about_another(site: Site) -> None:
    digest = site.state.add_referrer(OTHER, SIGNATURE)
    site.state.list_referrer(site.image, site.state.describe(site.state.manifests[digest][1], _oci.OCI_MANIFEST))


def another_manifest(site: Site) -> None:
    digest = site.state.add_referrer(site.image, SIGNATURE)
    site.state.manifests[digest] = (_oci.OCI_MANIFEST, b'{"something": "else"}')


def not_there(site: Site) -> None:
    del site.state.manifests[site.state.add_referrer(site.image, SIGNATURE)]


def an_index_of_cosigns(site: Site) -> None:
    site.state.put(f"{fallback_tag(site.image)}.sig", _oci.OCI_INDEX, site.state.listing([]))


ENTRY = {"mediaType": _oci.OCI_MANIFEST, "digest": OTHER, "size": 2}
LIES = [
    pytest.param(endless, "more than 4194304 bytes", id="an endless list"),
    pytest.param(answering(b"<html>"), "is not JSON", id="no JSON"),
    pytest.param(answering(b"[]"), "is not a JSON object", id="no object"),
    pytest.param(answering(b'{"manifests": 7}'), "no index of manifests", id="no list of manifests"),
    pytest.param(answering(b'{"mediaType": "x", "manifests": []}'), "no index of manifests", id="another type"),
    pytest.param(answering(b'{"manifests": [7]}'), "no descriptor", id="an entry that is a number"),
    pytest.param(listing({**ENTRY, "digest": "sha256:../.."}), "no sha256 digest", id="a digest that is a path"),
    pytest.param(listing({**ENTRY, "size": -1}), "has no size", id="a negative size"),
    pytest.param(listing({**ENTRY, "mediaType": _oci.OCI_INDEX}), "is no manifest", id="an index for a referrer"),
    pytest.param(listing(*[ENTRY] * (MAX_REFERRERS + 1)), f"more than {MAX_REFERRERS}", id="a list too long"),
    pytest.param(listing(ENTRY), "is not there", id="a manifest that never was"),
    pytest.param(not_there, "is not there", id="a manifest that was removed"),
    pytest.param(about_another, f"is about {OTHER}", id="what is about another image"),
    pytest.param(another_manifest, "answers with something else", id="a manifest with another digest"),
    pytest.param(an_index_of_cosigns, "is not a manifest", id="an index under a tag of cosign's"),
    pytest.param(answering(b"", status=500), "answered 500", id="a broken registry"),
    pytest.param(answering(b"", status=403), "answered 403", id="a registry that refuses"),
]


@pytest.mark.parametrize(("prepare", "problem"), LIES)
def test_a_lie_is_one_clear_error(site: Site, prepare: t.Callable[[Site], None], problem: str) -> None:
    prepare(site)
    with pytest.raises(RegistryError, match=problem) as error:
        site.find()
    assert site.registry.host in error.value.problem


@pytest.fixture
def api(certificate: Certificate) -> t.Iterator[Site]:
    state = Distribution(referrers={})
    image = state.add("1", [images.layer("base")])
    with distribution(state, certificate) as host:
        yield Site(state, Registry(host, Access(ca_path=str(certificate.path)), 5), image)


def paged(state: Distribution, link: str) -> None:
    """The first page has nothing but the link to the next."""

    def fault(handler: DistributionHandler, kind: str, reference: str) -> bool:
        if kind == "referrers" and "page=last" not in reference:
            handler.answer(200, state.listing([]), Content_Type=_oci.OCI_INDEX, Link=f'<{link}>; rel="next"')
        elif kind == "referrers":
            handler.answer(
                200, state.listing((state.referrers or {})[reference.partition("?")[0]]), Content_Type=_oci.OCI_INDEX
            )
        return kind == "referrers"

    state.fault = fault


def test_a_list_may_have_several_pages(api: Site) -> None:
    signature = api.state.add_referrer(api.image, SIGNATURE)
    api.state.referrers = {api.image: (api.state.referrers or {})[api.image], signature: []}
    paged(api.state, "?page=last")
    assert [referrer.manifest.digest for referrer in api.find()] == [signature]


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        pytest.param("?page=2", "or no end of them", id="pages without end"),
        pytest.param("https://elsewhere.example/list", "to 'https://elsewhere.example/list'", id="another host"),
        pytest.param("/v2/secret/referrers/x", "sends those who ask for referrers to", id="another repository"),
        pytest.param("file:///etc/passwd", "to 'file:///etc/passwd'", id="a file"),
    ],
)
def test_the_next_page_is_of_the_same_list(api: Site, link: str, problem: str) -> None:
    paged(api.state, link)
    with pytest.raises(RegistryError, match=problem):
        api.find()


@pytest.mark.parametrize("status", [400, 404, 405, 406])
def test_a_registry_without_the_api_is_asked_by_tag(api: Site, status: int) -> None:
    answering(b"", status=status)(api)
    api.state.referrers, api_listing = None, api.state.fault
    signature = api.state.add_referrer(api.image, SIGNATURE)
    api.state.fault = lambda handler, kind, reference: kind == "referrers" and api_listing(handler, kind, reference)
    assert [referrer.manifest.digest for referrer in api.find()] == [signature]


def test_a_page_for_people_is_no_list(api: Site) -> None:
    """Some registries answer what they don't know with their web site."""
    answering(b"<html>", {"Content_Type": "text/html"})(api)
    assert api.find() == []


def test_a_busy_registry_is_asked_again(api: Site) -> None:
    signature = api.state.add_referrer(api.image, SIGNATURE)
    refused: list[str] = []

    def fault(handler: DistributionHandler, kind: str, reference: str) -> bool:
        if len(refused) < 2:
            refused.append(reference)
            handler.answer(429, Retry_After="0")
            return True
        return False

    api.state.fault = fault
    assert [referrer.manifest.digest for referrer in api.find()] == [signature]


def locked(name: str, digest: str, source: str, source_id: str, index: str = "") -> LockedImage:
    return LockedImage(name, "linux/amd64", digest, OTHER, 1, "", source, source_id, index)


def test_something_may_be_about_an_index_and_each_of_its_manifests() -> None:
    one, two, index, trimmed = ("sha256:" + digit * 64 for digit in "1234")
    registry, name = "docker://host.example/app:1", "docker.io/library/app:1"
    whole = [locked(name, digest, registry, index, index) for digest in (one, two)]
    part = locked("docker.io/library/part:1", one, registry, index)
    some = locked("docker.io/library/some:1", one, registry, index, trimmed)
    assert [(image.name, image.subjects) for image in attachable([*whole, part, some])] == [
        (name, (index, one, two)),
        ("docker.io/library/part:1", (one,)),
        ("docker.io/library/some:1", (trimmed, one)),
    ]
    assert [(image.name, image.subjects) for image in left_behind([*whole, part, some])] == [
        ("docker.io/library/part:1", (index,)),
        ("docker.io/library/some:1", (index,)),
    ]
