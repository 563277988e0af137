# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Referrers in bundles: all of them are there, each is about an image, and the lock says the same."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _bundle, _bundle_writer, _layout, _oci
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._referrers import (
    Referrer,
    about,
    fallback_tag,
    format_listing,
    make_referrer,
)
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

APP = "docker.io/library/app:v1"
SIGNATURE, SBOM = "application/vnd.example.signature", "application/spdx+json"
NOBODY = "sha256:" + "f" * 64


def make(path: Path, signer: Signer) -> list[Referrer]:
    """A bundle of one image with an SBOM, a signature of that, and a signature under a tag of cosign's."""
    with _bundle_writer.work_directory(str(path)) as work:
        store = BlobStore(work)
        packed = [bundles.pack(store, APP, [images.layer("base")])]
        digest = packed[0].image.manifest.digest
        sbom = bundles.refer(store, digest, SBOM, content=b"SBOM")
        referrers = [
            bundles.refer(store, sbom.manifest.digest, SIGNATURE),
            bundles.refer(store, digest, SIGNATURE, f"docker.io/library/app:{fallback_tag(digest)}.sig"),
            sbom,
        ]
        _bundle_writer.write_bundle(store, packed, str(path), str(signer.key), run_program, referrers=referrers)
    return referrers


@pytest.fixture
def path(tmp_path: Path, signer: Signer) -> Path:
    make(tmp_path / "bundle", signer)
    return tmp_path / "bundle"


def load(path: Path, signer: Signer) -> _bundle.Bundle:
    return _bundle.load_bundle(str(path), str(signer.allowed_signers), run_program)


def test_they_are_read_as_they_were_written(tmp_path: Path, signer: Signer) -> None:
    written = make(tmp_path / "bundle", signer)
    bundle = load(tmp_path / "bundle", signer)
    assert sorted(bundle.referrers, key=lambda referrer: referrer.key) == sorted(
        written, key=lambda referrer: referrer.key
    )
    assert {(entry.digest, entry.subject, entry.type, entry.name) for entry in bundle.lock.referrers} == {
        (referrer.manifest.digest, referrer.subject, referrer.artifact_type, referrer.name) for referrer in written
    }
    assert _bundle.verify_blobs(bundle) == []


def test_the_list_is_what_a_registry_answers(path: Path) -> None:
    """Distribution specification, "Listing Referrers": an index whose descriptors have artifactType and annotations."""
    listing = json.loads((path / "referrers.json").read_bytes())
    assert listing["mediaType"] == _oci.OCI_INDEX
    assert {entry["artifactType"] for entry in listing["manifests"]} == {SIGNATURE, SBOM}
    assert all(entry["annotations"]["kind"] == entry["artifactType"] for entry in listing["manifests"])
    names = [entry["annotations"].get(_oci.REF_ANNOTATION) for entry in listing["manifests"]]
    assert [name for name in names if name] == [f"docker.io/library/app:{image_of(path).replace(':', '-')}.sig"]
    assert len(json.loads((path / "index.json").read_bytes())["manifests"]) == 1


def test_the_same_input_makes_the_same_bytes_with_the_documents_first(tmp_path: Path, signer: Signer) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        referrers = make(tmp_path / name / "bundle.tar", signer)
    assert (tmp_path / "one/bundle.tar").read_bytes() == (tmp_path / "two/bundle.tar").read_bytes()
    names = list(_layout.open_files(str(tmp_path / "one/bundle.tar")).sizes())
    head = [name for name in _layout.HEAD if name != _layout.DELTAS]
    assert names[: len(head)] == head
    layers = len(names) - 1
    assert max(names.index(_layout.blob_name(referrer.manifest.digest)) for referrer in referrers) < layers


def test_a_bundle_without_them_has_no_list(whole_bundle: Path, signer: Signer) -> None:
    assert not (whole_bundle / "referrers.json").exists()
    assert load(whole_bundle, signer).referrers == ()


def image_of(path: Path) -> str:
    (entry,) = json.loads((path / "index.json").read_bytes())["manifests"]
    return str(entry["digest"])


def change_list(change: t.Callable[[t.Any], None]) -> t.Callable[[Path], None]:
    def apply(path: Path) -> None:
        document = json.loads((path / "referrers.json").read_bytes())
        change(document)
        (path / "referrers.json").write_text(json.dumps(document))

    return apply


def rename(name: str) -> t.Callable[[Path], None]:
    def change(document: t.Any) -> None:
        for entry in document["manifests"]:
            if _oci.REF_ANNOTATION in entry["annotations"]:
                entry["annotations"][_oci.REF_ANNOTATION] = name

    return change_list(change)


def swap(path: Path, **changes: t.Any) -> None:
    """Put another manifest in the place of the SBOM."""
    document = json.loads((path / "referrers.json").read_bytes())
    entry = next(entry for entry in document["manifests"] if entry["artifactType"] == SBOM)
    manifest = {**json.loads((path / "blobs/sha256" / entry["digest"][7:]).read_bytes()), **changes}
    data = _oci.canonical_json({key: value for key, value in manifest.items() if value is not None})
    (path / "blobs/sha256" / _oci.digest_of(data)[7:]).write_bytes(data)
    entry.update(digest=_oci.digest_of(data), size=len(data))
    (path / "referrers.json").write_text(json.dumps(document))


def without_content(path: Path) -> None:
    (path / "blobs/sha256" / images.sha256(b"SBOM")).unlink()


def without_manifest(path: Path) -> None:
    (entry, *_rest) = json.loads((path / "referrers.json").read_bytes())["manifests"]
    (path / "blobs/sha256" / entry["digest"][7:]).unlink()


def without_sbom(document: t.Any) -> None:
    document["manifests"] = [entry for entry in document["manifests"] if entry["artifactType"] != SBOM]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        pytest.param(without_content, "Blob .* of Referrer .* is missing", id="content is missing"),
        pytest.param(without_manifest, "has no blobs/sha256/", id="a manifest is missing"),
        pytest.param(lambda path: (path / "referrers.json").unlink(), "not the same in bundle.lock.yml", id="the list is missing"),
        pytest.param(lambda path: (path / "referrers.json").write_text("[]"), "not a JSON object", id="the list is none"),
        pytest.param(change_list(lambda document: document.update(manifests={})), "no index of manifests", id="the list is no index"),
        pytest.param(change_list(lambda document: document["manifests"].append(document["manifests"][0])), "lists a referrer twice", id="one twice"),
        pytest.param(change_list(lambda document: document["manifests"].pop()), "which is about|not the same in bundle.lock.yml", id="one less than the lock says"),
        pytest.param(change_list(without_sbom), "and no image is that", id="the middle of a chain is missing"),
        pytest.param(lambda path: swap(path, subject={"mediaType": _oci.OCI_MANIFEST, "digest": NOBODY, "size": 7}), "and no image is that", id="about nothing in the bundle"),
        pytest.param(lambda path: swap(path, subject=None), "it has no subject", id="no subject"),
        pytest.param(lambda path: swap(path, subject="sha256:x"), "is not a descriptor", id="a subject that is none"),
        pytest.param(lambda path: swap(path, layers=[{"mediaType": "x", "digest": NOBODY, "size": 1}]), "is missing from bundle", id="a layer that is not there"),
        pytest.param(rename("docker.io/library/app:v1"), "no tag of cosign's", id="an image's own tag"),
        pytest.param(rename("../../app:sha256-" + "a" * 64 + ".sig"), "no tag of cosign's", id="a name that is none"),
        pytest.param(rename("app:sha256-" + "a" * 64 + ".sig"), "no tag of cosign's", id="a short name"),
        pytest.param(rename("docker.io/else/app:sha256-" + "a" * 64 + ".sig"), "in the repository of no image", id="another repository"),
        pytest.param(rename("docker.io/library/app:sha256-" + "f" * 64 + ".sig"), "and no image is that", id="a tag about nothing"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(path: Path, signer: Signer, damage: t.Callable[[Path], None], problem: str) -> None:
    damage(path)
    bundles.seal(path, signer)
    with pytest.raises(BundleError, match=problem):
        load(path, signer)


def test_what_is_about_itself_is_visited_once() -> None:
    data = _oci.canonical_json({"config": {"mediaType": "x", "digest": NOBODY, "size": 1}, "schemaVersion": 2})
    digest = _oci.digest_of(data)
    itself = make_referrer(data, "x", f"docker.io/library/app:{fallback_tag(digest)}.sig")
    assert about([itself], [digest]) == [itself]
    assert about([itself], [NOBODY]) == []


def test_a_list_that_no_reader_would_take_is_not_written() -> None:
    data = _oci.canonical_json(
        {
            "config": {"mediaType": "x", "digest": NOBODY, "size": 1},
            "subject": {"mediaType": "x", "digest": NOBODY, "size": 1},
            "annotations": {"x": "y" * 1024 * 1024},
        }
    )
    with pytest.raises(InputError, match="larger than 4194304 bytes"):
        format_listing([make_referrer(data, "x")] * 5)


def test_a_name_in_the_annotations_of_a_manifest_means_nothing() -> None:
    """Else a manifest could say that it lies under a tag."""
    data = _oci.canonical_json(
        {
            "config": {"mediaType": "x", "digest": NOBODY, "size": 1},
            "subject": {"mediaType": "x", "digest": NOBODY, "size": 1},
            "annotations": {_oci.REF_ANNOTATION: "docker.io/library/app:v1"},
        }
    )
    assert "annotations" not in make_referrer(data, "x").to_json()
