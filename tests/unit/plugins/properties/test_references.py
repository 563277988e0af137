# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""References, whatever their text: the grammar below is written down a second time, as the specifications have it."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._reference import (
    Reference,
    familiar,
    normalize,
    parse_reference,
    parse_source,
)
from ansible_collections.airlift.registry.tests.unit.plugins.support.outcomes import outcome

LOWER = "abcxyz059"
# Distribution specification, "Pulling manifests": name and reference; a host as Docker's reference grammar has it.
FULL = re.compile(
    r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*(?::[0-9]+)?"
    r"(?:/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)+"
    r"(?::[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)

words = st.text(LOWER, min_size=1, max_size=6)
components = st.builds(
    lambda head, tail: head + "".join(tail),
    words,
    st.lists(st.builds(str.__add__, st.sampled_from([".", "_", "__", "-", "---"]), words), max_size=2),
)
labels = st.from_regex(r"\A[a-zA-Z0-9]([a-zA-Z0-9-]{0,6}[a-zA-Z0-9])?\Z")
# With a dot or a port, so that it can be nothing but a host.
hosts = st.one_of(
    st.just("localhost"),
    st.lists(labels, min_size=2, max_size=3).map(".".join),
    st.builds("{}:{}".format, labels, st.integers(0, 65535)),
)
tags = st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,20}\Z")
digests = st.from_regex(r"\Asha256:[0-9a-f]{64}\Z")
references = st.builds(
    Reference,
    hosts.filter(lambda host: host.lower() not in ("docker.io", "index.docker.io")),
    st.lists(components, min_size=1, max_size=3).map("/".join),
    st.one_of(st.none(), tags),
    st.one_of(st.none(), digests),
).filter(lambda reference: bool(reference.tag or reference.digest))
# What parsers stumble over, and some of everything else.
texts = st.one_of(st.text(f"{LOWER}AZ.-_:/@[] \n\0äß٣", max_size=40), st.text(max_size=20), references.map(str))


@given(references)
def test_what_is_full_stays_as_it_is(reference: Reference) -> None:
    assert parse_reference(str(reference)) == reference


@given(st.lists(components, min_size=1, max_size=3).map("/".join).filter(lambda path: "." not in path), tags)
def test_the_short_form_means_the_full_one(path: str, tag: str) -> None:
    full = normalize(f"{path}:{tag}")
    assert full.startswith("docker.io/")
    assert full.endswith(f"/{path}:{tag}") or path.startswith("localhost/")
    assert normalize(familiar(full)) == full


@given(texts)
@example("docker.io/docker.io/app")
@example("index.docker.io/index.docker.io/app")
@example("docker.io/localhost/app")
@example("app:٣")
@example("host:٣/app")
def test_never_takes_what_the_grammar_forbids(text: str) -> None:
    full = outcome(lambda: normalize(text), InputError)
    if isinstance(full, AirliftError):
        assert repr(text) in full.problem
        return
    assert normalize(full) == full
    assert FULL.fullmatch(full) or "[" in full
    assert not full.startswith("-")


@given(
    st.one_of(texts, st.builds(str.__add__, st.sampled_from(["docker://", "docker-daemon:", "docker-archive:"]), texts))
)
def test_a_source_is_read_as_it_is_written(text: str) -> None:
    source = outcome(lambda: parse_source(text), InputError)
    assert repr(text) in source.problem if isinstance(source, AirliftError) else str(source) == text
