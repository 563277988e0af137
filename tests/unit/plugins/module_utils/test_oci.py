# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OCI documents: each rule of the specification that is relied on, broken once."""

from __future__ import annotations

import hashlib
import json
import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError

DIGEST = "sha256:" + "a" * 64
CONFIG = {"mediaType": _oci.OCI_CONFIG, "digest": DIGEST, "size": 7}
LAYER = {"mediaType": _oci.OCI_LAYER_GZIP, "digest": "sha256:" + "b" * 64, "size": 32}
MANIFEST = {"schemaVersion": 2, "mediaType": _oci.OCI_MANIFEST, "config": CONFIG, "layers": [LAYER]}
IMAGE = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [DIGEST]}}


def changed(document: dict[str, t.Any], **changes: t.Any) -> bytes:
    """The document with some values changed, or taken away (None)."""
    return json.dumps({key: value for key, value in {**document, **changes}.items() if value is not None}).encode()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(b"", "is not JSON", id="empty"),
        pytest.param(b"{", "is not JSON", id="cut short"),
        pytest.param(b"\xff\xfe\xfa", "is not JSON", id="no text"),
        pytest.param(b"[" * 100_000, "is not JSON", id="nested deeper than a stack"),
        pytest.param(b'{"size": ' + b"9" * 10_000 + b"}", "is not JSON", id="a number of ten thousand digits"),
        pytest.param(b"[]", "is not a JSON object", id="a list"),
        pytest.param(b"null", "is not a JSON object", id="null"),
        pytest.param(b" " * (_oci.MAX_DOCUMENT + 1), "is larger than", id="larger than registries allow"),
    ],
)
def test_refuses_what_is_no_document(data: bytes, problem: str) -> None:
    with pytest.raises(BundleError, match=f"^The manifest of app {problem}"):
        _oci.parse_document(data, "The manifest of app")


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="missing"),
        pytest.param("sha256:x", id="a text"),
        pytest.param({**CONFIG, "mediaType": None}, id="no media type"),
        pytest.param({**CONFIG, "mediaType": 7}, id="media type is a number"),
        pytest.param({**CONFIG, "digest": None}, id="no digest"),
        pytest.param({**CONFIG, "digest": "md5:" + "a" * 32}, id="another algorithm"),
        pytest.param({**CONFIG, "digest": "sha256:../../etc/passwd"}, id="digest is a path"),
        pytest.param({**CONFIG, "digest": DIGEST.upper()}, id="digest in upper case"),
        pytest.param({**CONFIG, "digest": DIGEST + "\n"}, id="digest with a newline"),
        pytest.param({**CONFIG, "size": None}, id="no size"),
        pytest.param({**CONFIG, "size": -1}, id="negative size"),
        pytest.param({**CONFIG, "size": "7"}, id="size is a text"),
        pytest.param({**CONFIG, "size": True}, id="size is a truth value"),
        pytest.param({**CONFIG, "size": 7.0}, id="size is a fraction"),
    ],
)
def test_refuses_what_is_no_descriptor(value: t.Any) -> None:
    with pytest.raises(BundleError, match=r"^The config of app "):
        _oci.parse_descriptor(value, "The config of app")


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        pytest.param(changed(MANIFEST), _oci.OCI_MANIFEST, id="OCI"),
        pytest.param(changed(MANIFEST, mediaType=None), _oci.OCI_MANIFEST, id="OCI does not ask for a media type"),
        pytest.param(
            changed(
                MANIFEST,
                mediaType=_oci.DOCKER_MANIFEST,
                config={**CONFIG, "mediaType": _oci.DOCKER_CONFIG},
                layers=[{**LAYER, "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip"}],
            ),
            _oci.DOCKER_MANIFEST,
            id="Docker schema 2",
        ),
        pytest.param(
            changed(MANIFEST, layers=[{**LAYER, "mediaType": "application/vnd.oci.image.layer.v1.tar+zstd"}]),
            _oci.OCI_MANIFEST,
            id="layer in zstd",
        ),
        pytest.param(
            changed(MANIFEST, layers=[{**LAYER, "mediaType": "application/vnd.oci.image.layer.v1.tar"}]),
            _oci.OCI_MANIFEST,
            id="layer not compressed",
        ),
    ],
)
def test_reads_manifests(data: bytes, media_type: str) -> None:
    manifest = _oci.parse_manifest(data, "The manifest of app")
    assert manifest.media_type == media_type
    assert manifest.config.digest == DIGEST
    assert [layer.size for layer in manifest.layers] == [32]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(changed(MANIFEST, mediaType=_oci.OCI_INDEX), id="an index"),
        pytest.param(changed(MANIFEST, mediaType=["x"]), id="media type is a list"),
        pytest.param(changed(MANIFEST, config=None), id="no config"),
        pytest.param(
            changed(MANIFEST, config={**CONFIG, "mediaType": "application/vnd.cncf.helm.config.v1+json"}),
            id="a Helm chart",
        ),
        pytest.param(changed(MANIFEST, layers=None), id="no layers"),
        pytest.param(changed(MANIFEST, layers=[]), id="an empty list of layers"),
        pytest.param(changed(MANIFEST, layers={"0": LAYER}), id="layers are no list"),
        pytest.param(changed(MANIFEST, layers=[LAYER, None]), id="a layer is nothing"),
        pytest.param(changed(MANIFEST, layers=[{**LAYER, "size": -1}]), id="a layer of negative size"),
        pytest.param(
            changed(MANIFEST, layers=[{**LAYER, "mediaType": "application/vnd.in-toto+json"}]),
            id="a layer is no file system",
        ),
        pytest.param(
            changed(
                MANIFEST, layers=[{**LAYER, "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}]
            ),
            id="a layer that registries don't hand out",
        ),
    ],
)
def test_refuses_what_is_no_image_manifest(data: bytes) -> None:
    with pytest.raises(BundleError, match="The manifest of app"):
        _oci.parse_manifest(data, "The manifest of app")


@pytest.mark.parametrize(
    ("changes", "platform"),
    [
        pytest.param({}, "linux/amd64", id="plain"),
        pytest.param({"architecture": "arm", "variant": "v7"}, "linux/arm/v7", id="with a variant"),
        pytest.param({"variant": ""}, "linux/amd64", id="empty variant"),
    ],
)
def test_reads_the_platform_of_a_config(changes: dict[str, t.Any], platform: str) -> None:
    config = _oci.parse_config(changed(IMAGE, **changes), "The config of app")
    assert config.platform == platform
    assert config.diff_ids == (DIGEST,)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"rootfs": None}, id="no rootfs"),
        pytest.param({"rootfs": []}, id="rootfs is a list"),
        pytest.param({"rootfs": {"diff_ids": "x"}}, id="diffIDs are a text"),
        pytest.param({"rootfs": {"diff_ids": ["x"]}}, id="a diffID is no digest"),
        pytest.param({"os": None}, id="no operating system"),
        pytest.param({"os": ""}, id="empty operating system"),
        pytest.param({"architecture": None}, id="no architecture"),
        pytest.param({"architecture": 64}, id="architecture is a number"),
        pytest.param({"variant": 7}, id="variant is a number"),
    ],
)
def test_refuses_what_is_no_config(changes: dict[str, t.Any]) -> None:
    with pytest.raises(BundleError, match=r"^The config of app "):
        _oci.parse_config(changed(IMAGE, **changes), "The config of app")


def test_chain_ids_are_those_of_the_specification() -> None:
    a, b, c = ("sha256:" + digit * 64 for digit in "abc")
    ab = f"sha256:{hashlib.sha256(f'{a} {b}'.encode()).hexdigest()}"
    abc = f"sha256:{hashlib.sha256(f'{ab} {c}'.encode()).hexdigest()}"
    assert _oci.chain_ids([a, b, c]) == [a, ab, abc]
    assert _oci.chain_ids([]) == []


def test_json_has_one_spelling() -> None:
    assert _oci.canonical_json({"b": [1], "a": "ü"}) == '{"a":"ü","b":[1]}'.encode()
