# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users and rules that cannot be meant."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.plugin_utils._access_check import problems

USER = {"name": "alice", "password": "x", "groups": ["a"]}
RULE = {"groups": ["a"], "repositories": ["team-a/**"], "allow": ["pull"]}
HASH = "$6$rounds=5000$salt$abcdefghij"


def test_nothing_is_wrong() -> None:
    hashed = {"name": "bob", "password_hash": HASH, "expires": "2027-01-31"}
    patterns = ["**", "*", "a", "a/b", "a/*", "a/b/**", "a.b_c__d---e"]
    assert problems([USER, hashed], [RULE, {"users": ["bob"], "repositories": patterns, "allow": ["list"]}]) == []


USERS = [
    pytest.param({"name": "al:ice", "password": "x"}, "user 'al:ice' must have a name", id="name"),
    pytest.param({"name": "-", "password": "x"}, "user '-' must have a name", id="nobody's name"),
    pytest.param({"name": "bob"}, "user bob must have a password or a password_hash", id="no password"),
    pytest.param({"name": "bob", "password": "x", "password_hash": HASH}, "and not both", id="two passwords"),
    pytest.param({"name": "bob", "password_hash": "$1$a$b"}, "no SHA-256 or SHA-512 crypt", id="weak hash"),
    pytest.param({"name": "bob", "password_hash": f"{HASH} groups a"}, "no SHA-256 or SHA-512 crypt", id="more than a hash"),
    pytest.param({"name": "bob", "password": "x", "groups": ["b b"]}, "group 'b b', whose name", id="name of a group"),
    pytest.param({"name": "bob", "password": "x", "groups": ["b"]}, "group b has users but no rule", id="group without a rule"),
    pytest.param({"name": "bob", "password": "x", "expires": "soon"}, "expires on 'soon'", id="date"),
    pytest.param({"name": "alice", "password": "x"}, "user alice is there 2 times", id="twice"),
]  # fmt: skip


@pytest.mark.parametrize(("user", "problem"), USERS)
def test_users(user: dict[str, t.Any], problem: str) -> None:
    assert any(problem in found for found in problems([USER, user], [RULE]))


RULES = [
    pytest.param({"groups": []}, "rule 2 is for nobody", id="nobody"),
    pytest.param({"groups": ["b"]}, "rule 2 names the group b, in which nobody is", id="group"),
    pytest.param({"users": ["bob"]}, "rule 2 names the user bob, who does not exist", id="user"),
    pytest.param({"repositories": []}, "rule 2 has no repositories", id="no repositories"),
    pytest.param({"allow": []}, "rule 2 has no allow", id="no rights"),
    pytest.param({"allow": ["write"]}, "rule 2 allows 'write'", id="right"),
    pytest.param({"anonymous": True, "allow": ["push"]}, "rule 2 allows anybody to push", id="anybody pushes"),
    *(
        pytest.param({"repositories": [pattern]}, f"rule 2 has the pattern {pattern!r}", id=f"pattern {pattern}")
        for pattern in (
            "",
            "Team",
            "a//b",
            "/a",
            "a/",
            "a/../b",
            "*/b",
            "a/**/b",
            "a*",
            "a/b*",
            "***",
            "a b",
            "a\nb",
            "a:b",
        )
    ),
]


@pytest.mark.parametrize(("change", "problem"), RULES)
def test_rules(change: dict[str, t.Any], problem: str) -> None:
    assert any(problem in found for found in problems([USER], [RULE, {**RULE, **change}]))


def test_no_rule() -> None:
    assert "there is no rule, so nobody may do anything" in problems([{**USER, "groups": []}], [])
