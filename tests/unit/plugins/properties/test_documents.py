# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests, indexes and configs: any JSON is either one of them or refused with a BundleError."""

from __future__ import annotations

import copy
import json
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError
from ansible_collections.airlift.registry.tests.unit.plugins.support import images
from ansible_collections.airlift.registry.tests.unit.plugins.support.outcomes import outcome

DIGEST = f"sha256:{'a' * 64}"
CONFIG = _oci.Descriptor(_oci.OCI_CONFIG, DIGEST, 2)
LAYER = _oci.Descriptor(_oci.OCI_LAYER_GZIP, DIGEST, 3)
ENTRY = {**_oci.Descriptor(_oci.OCI_MANIFEST, DIGEST, 4).to_json(), "platform": images.PLATFORM}
MANIFEST = json.loads(_oci.image_manifest(CONFIG, [LAYER, LAYER]))
INDEX = {"schemaVersion": 2, "mediaType": _oci.OCI_INDEX, "manifests": [ENTRY]}
IMAGE_CONFIG = json.loads(images.config([b"x"], variant="v8"))

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([DIGEST, _oci.OCI_MANIFEST]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=5,
)

PARSERS = [
    pytest.param(_oci.parse_manifest, MANIFEST, id="manifest"),
    pytest.param(_oci.parse_index, INDEX, id="index"),
    pytest.param(_oci.parse_artifact, {**MANIFEST, "subject": LAYER.to_json()}, id="artifact"),
    pytest.param(_oci.parse_config, IMAGE_CONFIG, id="config"),
]
Parser = t.Callable[[bytes, str], t.Any]


def places(value: t.Any, path: tuple[t.Any, ...] = ()) -> t.Iterator[tuple[t.Any, ...]]:
    """The way to every value in a document."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def changed(document: t.Any, path: tuple[t.Any, ...], value: t.Any) -> t.Any:
    """The document with another value at one place, or without it when the value is nothing at all."""
    document = copy.deepcopy(document)
    owner = document
    for key in path[:-1]:
        owner = owner[key]
    if value is ...:
        del owner[path[-1]]
    else:
        owner[path[-1]] = value
    return document


@pytest.mark.parametrize(("parse", "document"), PARSERS)
@settings(max_examples=60)
@given(data=st.data())
def test_one_value_may_be_anything(parse: Parser, document: t.Any, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(list(places(document))))
    text = json.dumps(changed(document, path, data.draw(st.one_of(st.just(...), values)))).encode()
    found = outcome(lambda: parse(text, "it"), BundleError)
    assert found is not None
    assert "it" in getattr(found, "problem", "it")


@pytest.mark.parametrize(("parse", "document"), PARSERS)
@given(data=st.data())
def test_so_may_the_bytes(parse: Parser, document: t.Any, data: st.DataObject) -> None:
    whole = json.dumps(document).encode()
    place = data.draw(st.integers(0, len(whole)))
    changed = whole[:place] + data.draw(st.binary(max_size=4)) + whole[place + data.draw(st.integers(0, 9)) :]
    assert outcome(lambda: parse(changed, "it"), BundleError)
