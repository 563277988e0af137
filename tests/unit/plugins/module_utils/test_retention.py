# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Retention: what goes and what stays, and why; each rule alone, and rules together."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _retention
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._plan import temporary_name
from ansible_collections.airlift.registry.plugins.module_utils._retention import Rules
from ansible_collections.airlift.registry.tests.unit.plugins.support.local_images import (
    container,
    digest,
    full,
    local,
    locked,
)

NOW = datetime(2026, 11, 25, tzinfo=UTC)
OLD, MID, NEW = (
    local(f"v{day}", "base", tags=[f"app:v{day}"], created=f"2026-11-{day}T00:00:00.123456789Z") for day in (10, 15, 20)
)
TOOL = local("tool", "lib", tags=["registry.example.com/team/tool:1"])
DANGLING = local("dangling", "base")
PULLED = local("pulled", "base", digests=[f"registry.example.com/app@{digest('pulled')}"])
ALL = [OLD, MID, NEW, TOOL, DANGLING, PULLED]
V10, V15, V20, TOOL1, BY_DIGEST = (
    full("app:v10"), full("app:v15"), full("app:v20"), TOOL["tags"][0], PULLED["digests"][0]
)  # fmt: skip


def lock(*names: str) -> Rules:
    return Rules(locked=tuple(locked(name, name.replace("app:", "")) for name in names))


def gone(images: t.Sequence[dict[str, t.Any]], rules: Rules, *containers: dict[str, str]) -> set[str]:
    """The names that go."""
    decisions = _retention.decide(images, containers, rules, NOW)
    return {name["name"] for entry in decisions for name in entry["names"] if name["action"] == "remove"}


NAMED = {V10, V15, V20, TOOL1, BY_DIGEST}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param(Rules(), set(), id="nothing is said, nothing goes"),
        pytest.param(Rules(min_age=1), set(), id="an age alone selects nothing"),
        pytest.param(Rules(dangling=True), {DANGLING["id"]}, id="dangling images alone"),
        pytest.param(lock("app:v20"), NAMED - {V20}, id="what no lock names"),
        pytest.param(lock("app:v20", "app:v10"), NAMED - {V10, V20}, id="what none of two locks names"),
        pytest.param(Rules(locked=(locked("app:v20", "x", "linux/arm64"),)), NAMED - {V20}, id="a lock names it for another platform"),
        pytest.param(Rules(locked=(locked("app:v20", "another"),)), NAMED - {V20}, id="a lock names it and means another image"),
        pytest.param(Rules(locked=(locked("app:moved", "v10"),)), NAMED - {V10}, id="a lock has the image under a name that is not here"),
        pytest.param(Rules(locked=(locked("app:moved", "dangling"),), dangling=True), NAMED, id="a lock has the image without a name"),
        pytest.param(Rules(keep=("app:v1*",)), NAMED - {V10, V15}, id="keep by a short name"),
        pytest.param(Rules(keep=("docker.io/library/app:v10",)), NAMED - {V10}, id="keep by a full name"),
        pytest.param(Rules(keep=("registry.example.com/*",)), {V10, V15, V20}, id="an asterisk stands for slashes"),
        pytest.param(Rules(keep=("registry.example.com/*@*",)), NAMED - {BY_DIGEST}, id="keep by a digest"),
        pytest.param(Rules(keep=("App:*",)), NAMED, id="patterns have upper and lower case"),
        pytest.param(Rules(keep_versions=1), {V10, V15}, id="the newest of each repository"),
        pytest.param(Rules(keep_versions=2), {V10}, id="the newest two"),
        pytest.param(Rules(keep_versions=9), set(), id="more than there are"),
        pytest.param(Rules(keep_versions=0), NAMED, id="none for being new"),
        pytest.param(Rules(repositories=("app",)), {V10, V15, V20}, id="a repository by its short name"),
        pytest.param(Rules(repositories=("registry.example.com/*",)), {TOOL1, BY_DIGEST}, id="repositories of a registry"),
        pytest.param(Rules(repositories=("app:v10",)), set(), id="a pattern with a tag is no repository"),
        pytest.param(Rules(repositories=("app",), keep_versions=1), {V10, V15}, id="the newest of some repositories"),
        pytest.param(Rules(locked=lock("app:v10").locked, keep_versions=1), {V15}, id="a lock and the newest"),
        pytest.param(Rules(repositories=("app",), min_age=7 * 86400), {V10, V15}, id="what is old enough"),
        pytest.param(Rules(repositories=("app",), min_age=5 * 86400), {V10, V15, V20}, id="as old as min_age is not younger"),
        pytest.param(Rules(repositories=("app",), dangling=True), {V10, V15, V20, DANGLING["id"]}, id="a repository and what has no name"),
    ],
)  # fmt: skip
def test_what_goes(rules: Rules, expected: set[str]) -> None:
    assert gone(ALL, rules) == expected


EVERYTHING = Rules(repositories=("*",), dangling=True)


@pytest.mark.parametrize("state", ["running", "exited", "created", "paused", "dead"])
@pytest.mark.parametrize("image", ALL)
def test_what_a_container_uses_stays(image: dict[str, t.Any], state: str) -> None:
    user = {**container("web", "x", state), "image": image["id"]}
    assert gone([image], EVERYTHING) == set(_retention.handles(image))
    assert gone([image], EVERYTHING, user) == set()
    (decision,) = _retention.decide([image], [user], EVERYTHING, NOW)
    assert decision["reason"] == f"container web uses it ({state})"


def test_a_preload_that_is_under_way_is_left_alone() -> None:
    image = local("v1", "base", tags=[temporary_name(digest("v1")), "app:v1"])
    assert gone([image, OLD], EVERYTHING) == {V10}
    # And it pushes nothing out of its repository.
    assert gone([image], Rules(keep_versions=0)) == set()


@pytest.mark.parametrize(
    ("created", "tagged", "expected"),
    [
        pytest.param("2026-11-24T00:00:00Z", "", True, id="built lately"),
        pytest.param("2020-01-01T00:00:00Z", "2026-11-24T23:00:00.5Z", True, id="tagged lately"),
        pytest.param("2020-01-01T00:00:00Z", "2026-11-25T01:00:00+02:00", True, id="tagged lately, in another zone"),
        pytest.param("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z", False, id="neither"),
        pytest.param("", "", False, id="no date is old"),
        pytest.param("2027-01-01T00:00:00Z", "", True, id="from the future"),
    ],
)
def test_what_is_young_stays(created: str, tagged: str, expected: bool) -> None:
    image = local("x", "base", tags=["app:v10"], created=created, tagged=tagged)
    rules = Rules(repositories=("*",), min_age=2 * 86400)
    assert (gone([image], rules) == set()) == expected


def test_an_image_loses_only_the_names_that_nothing_keeps() -> None:
    image = local("x", "base", tags=["app:keep", "app:go", "other:1"])
    rules = Rules(repositories=("app",), keep=("app:keep",))
    (decision,) = _retention.decide([image], [], rules, NOW)
    assert decision["action"] == "untag"
    assert [(name["name"], name["action"]) for name in decision["names"]] == [
        (full("app:keep"), "keep"),
        (full("app:go"), "remove"),
        (full("other:1"), "keep"),
    ]
    assert decision["reason"] == "keep has a pattern for it"


def test_a_lock_s_image_loses_its_other_names() -> None:
    image = local("v1", "base", tags=["app:v1", "app:old"])
    assert gone([image], lock("app:v1")) == {full("app:old")}


def test_several_tags_of_an_image_are_one_version() -> None:
    images = [OLD, MID, {**NEW, "tags": [*NEW["tags"], full("app:latest")]}]
    assert gone(images, Rules(keep_versions=2)) == {V10}


def test_an_image_is_new_in_one_repository_and_old_in_another() -> None:
    images = [{**MID, "tags": [*MID["tags"], full("other:1")]}, NEW]
    assert gone(images, Rules(keep_versions=1)) == {V15}


@pytest.mark.parametrize(
    ("tags", "newest"),
    [
        (["1.9", "1.10"], "1.10"),
        (["v2", "v10", "v1"], "v10"),
        (["2026-02", "2026-11", "2025-12"], "2026-11"),
        (["a", "1"], "a"),
        (["1", "1.0"], "1.0"),
        (["00000000000000000000000000000001", "2"], "2"),
    ],
)
def test_of_the_same_date_the_higher_tag_is_newer(tags: list[str], newest: str) -> None:
    images = [local(tag, "base", tags=[f"app:{tag}"]) for tag in tags]
    assert gone(images, Rules(keep_versions=1)) == {full(f"app:{tag}") for tag in tags if tag != newest}


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        pytest.param(Rules(repositories=("*",)), "no container uses it", id="a repository"),
        pytest.param(lock("x:1"), "no lock names it, no container uses it", id="a lock"),
        pytest.param(Rules(keep=("x",), keep_versions=0), "keep has no pattern for it, it is not among the newest of its repository, no container uses it", id="patterns and versions"),
    ],
)  # fmt: skip
def test_says_why_a_name_goes(rules: Rules, reason: str) -> None:
    (decision,) = _retention.decide([OLD], [], rules, NOW)
    assert (decision["action"], decision["reason"]) == ("remove", reason)


def test_each_decision_has_its_reason() -> None:
    for rules in (Rules(), EVERYTHING, lock("app:v10"), Rules(keep_versions=1)):
        for decision in _retention.decide(ALL, [container("web", "v10")], rules, NOW):
            assert decision["reason"]
            assert all(name["reason"] for name in decision["names"])


A = local("a", "base", "lib", "v1", tags=["a:1"])
B = local("b", "base", "lib", "v2", tags=["b:1"])
UNKNOWN = local("u", "base", "lib", tags=["u:1"], steps=[])


@pytest.mark.parametrize(
    ("images", "going", "expected"),
    [
        pytest.param([A, B], [], 0, id="nothing goes"),
        pytest.param([A, B], [A], 30, id="what is shared stays"),
        pytest.param([A, B], [A, B], 1261, id="what is shared goes with the last"),
        pytest.param([A], [A], 1230, id="all of an image"),
        pytest.param([A, local("below", "base")], [A], 230, id="the base stays for another"),
        pytest.param([UNKNOWN], [UNKNOWN], None, id="the engine leaves a size open"),
        pytest.param([UNKNOWN, A], [UNKNOWN], 0, id="of layers that stay"),
    ],
)
def test_bytes_that_go(images: list[dict[str, t.Any]], going: list[dict[str, t.Any]], expected: int | None) -> None:
    assert _retention.freed(images, {image["id"] for image in going}) == expected


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90", 90), ("90s", 90), ("5m", 300), ("2h", 7200), ("7d", 604800), ("1w", 604800)],
)
def test_ages(text: str, seconds: int) -> None:
    assert _retention.parse_age(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "-1", "1.5d", "7 d", "1y", "7D", "1d2h", "9999999999", "７d"])
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(InputError, match="is no age"):
        _retention.parse_age(text)
