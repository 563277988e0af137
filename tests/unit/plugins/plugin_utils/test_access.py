# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users and rules as the tables that HAProxy looks into."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.plugin_utils._access import seconds, tables

Rules = list[dict[str, t.Any]]
USERS: list[dict[str, t.Any]] = [{"name": "alice", "groups": ["a"]}, {"name": "anna", "groups": ["a"]}, {"name": "bob"}]
RULES: Rules = [{"groups": ["a"], "repositories": ["team-a/**", "one", "shelf/*"], "allow": ["pull", "push"]}]


def classes(users: list[dict[str, t.Any]], rules: Rules) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in tables(users, rules)["classes"].splitlines())


def test_who_has_the_same_rights_is_of_the_same_class() -> None:
    found = classes(USERS, RULES)
    assert found["alice"] == found["anna"] != found["bob"] == found["-"]


def test_rights_are_in_the_table_in_which_they_are_looked_up() -> None:
    name = classes(USERS, RULES)["alice"]
    found = tables(USERS, RULES)
    assert found["exact"].splitlines() == [
        f"{name}p:one", f"{name}p:shelf/*", f"{name}w:one", f"{name}w:shelf/*",
    ]  # fmt: skip
    assert found["beginnings"].splitlines() == [f"{name}p:team-a/", f"{name}w:team-a/"]


def test_everything_begins_with_nothing() -> None:
    rules = [{"users": ["bob"], "repositories": ["**"], "allow": ["delete"]}]
    assert tables(USERS, rules)["beginnings"] == f"{classes(USERS, rules)['bob']}d:\n"


def test_what_anybody_may_everybody_may() -> None:
    rules = [*RULES, {"anonymous": True, "repositories": ["public/*"], "allow": ["pull"]}]
    found = tables(USERS, rules)["exact"].splitlines()
    assert {f"{name}p:public/*" for name in classes(USERS, rules).values()} <= set(found)


def test_a_class_means_the_same_whatever_else_changes() -> None:
    """HAProxy may read one new table and one old one."""
    more = [*RULES, {"users": ["bob"], "repositories": ["**"], "allow": ["pull"]}]
    assert classes(USERS, RULES)["alice"] == classes(USERS[::-1], more[::-1])["alice"]
    assert classes(USERS, RULES)["bob"] != classes(USERS, more)["bob"]


def test_many_users_make_few_rights() -> None:
    users = [{"name": f"u{number}", "groups": [f"g{number % 50}"]} for number in range(500)]
    rules: Rules = [
        {"groups": [f"g{number % 50}"], "repositories": [f"team-{number}/**"], "allow": ["pull"]}
        for number in range(200)
    ]
    assert len(tables(users, rules)["beginnings"].splitlines()) == 200


@pytest.mark.parametrize(
    ("moment", "second"),
    [("1970-01-02", 86400), ("1970-01-01T00:01:00Z", 60), ("1970-01-01T01:00:00+01:00", 0), ("1970-01-01T00:00:01", 1)],
)
def test_moments(moment: str, second: int) -> None:
    assert seconds(moment) == second
    users = [{"name": "robot", "expires": moment}]
    assert tables(users, RULES)["expiry"] == f"robot {second}\n"
