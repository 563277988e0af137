# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which image of several is meant."""

from __future__ import annotations

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._pick import Candidate, Pick, choose_one, parse_place

DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
APP = Candidate("app", ("docker.io/library/app:1", "host:5000/app:1"), (DIGEST,))
LATEST = Candidate("latest", ("latest",), (OTHER,))


@pytest.mark.parametrize(
    ("location", "path", "pick"),
    [
        pytest.param("/srv/a.tar", "/srv/a.tar", Pick(), id="nothing"),
        pytest.param("/srv/a.tar:app:1", "/srv/a.tar", Pick("app:1"), id="reference"),
        pytest.param("/srv/a.tar:host:5000/app:1", "/srv/a.tar", Pick("host:5000/app:1"), id="reference with a port"),
        pytest.param(f"/srv/a.tar:{DIGEST}", "/srv/a.tar", Pick(digest=DIGEST), id="digest"),
        pytest.param("/srv/a.tar:@12", "/srv/a.tar", Pick(number=12), id="number"),
    ],
)
def test_reads_a_place(location: str, path: str, pick: Pick) -> None:
    assert parse_place(location) == (path, pick)


@pytest.mark.parametrize("text", ["@", "@x", "@-1"])
def test_refuses_what_is_no_number(text: str) -> None:
    with pytest.raises(InputError, match="is no number of an image"):
        parse_place(f"/srv/a.tar:{text}")


@pytest.mark.parametrize(
    ("pick", "found"),
    [
        pytest.param(Pick("app:1"), "app", id="short name"),
        pytest.param(Pick("docker.io/library/app:1"), "app", id="full name"),
        pytest.param(Pick("host:5000/app:1"), "app", id="another of its names"),
        pytest.param(Pick("latest"), "latest", id="a name that is a tag alone"),
        pytest.param(Pick(digest=OTHER), "latest", id="digest"),
        pytest.param(Pick(number=1), "latest", id="number"),
        pytest.param(Pick("nothing:1", DIGEST), "app", id="digest although it has lost its name"),
    ],
)
def test_finds_what_is_meant(pick: Pick, found: str) -> None:
    assert choose_one([APP, LATEST], pick, "File a.tar") == found


def test_the_only_one_needs_no_name() -> None:
    assert choose_one([APP], Pick(), "File a.tar") == "app"


@pytest.mark.parametrize(
    ("pick", "problem"),
    [
        pytest.param(Pick("nothing:1"), "has no image nothing:1", id="no such name"),
        pytest.param(Pick(digest="sha256:" + "c" * 64), "has no image sha256:ccc", id="no such digest"),
        pytest.param(Pick(number=2), "has no image @2", id="no such number"),
        pytest.param(Pick(), "has 2 images, and none was chosen", id="nothing"),
    ],
)
def test_says_what_there_is(pick: Pick, problem: str) -> None:
    with pytest.raises(InputError, match=f"File a.tar {problem}") as error:
        choose_one([APP, LATEST], pick, "File a.tar")
    assert "docker.io/library/app:1, host:5000/app:1, latest" in error.value.next_step


def test_says_that_nothing_has_a_name() -> None:
    with pytest.raises(InputError) as error:
        choose_one([Candidate(1, (), ()), Candidate(2, (), ())], Pick(), "File a.tar")
    assert "2 images without names" in error.value.next_step
