# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What is wrong with users and rules of a registry, each with its place and what would be right."""

from __future__ import annotations

import collections
import re
import typing as t

from ansible_collections.airlift.registry.plugins.plugin_utils._access import LETTERS, Mapping, seconds

# One component of a repository's name: distribution specification, "Pulling manifests".
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATTERN = re.compile(rf"(?:\*\*?|{_COMPONENT}(?:/{_COMPONENT})*(?:/\*\*?)?)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CRYPT = re.compile(r"\$[56]\$(?:rounds=[0-9]+\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]+")
_READING = ("pull", "list")


def problems(users: t.Sequence[Mapping], rules: t.Sequence[Mapping]) -> list[str]:
    """Sentences without a stop, in the order of what was written; none when all is well."""
    found = [problem for user in users for problem in _of_user(user)]
    counted = collections.Counter(user["name"] for user in users)
    found += [f"user {name} is there {count} times" for name, count in counted.items() if count > 1]
    names = set(counted)
    groups = {group for user in users for group in user.get("groups") or ()}
    for number, rule in enumerate(rules, 1):
        found += [f"rule {number} {problem}" for problem in _of_rule(rule, names, groups)]
    named = {group for rule in rules for group in rule.get("groups") or ()}
    found += [f"group {group} has users but no rule" for group in sorted(groups - named)]
    return found if rules else [*found, "there is no rule, so nobody may do anything"]


def _of_user(user: Mapping) -> t.Iterator[str]:
    name = user["name"]
    if not _NAME.fullmatch(name):
        yield f"user {name!r} must have a name of letters, digits, dots, dashes and underscores"
    if bool(user.get("password")) == bool(user.get("password_hash")):
        yield f"user {name} must have a password or a password_hash, and not both"
    elif user.get("password_hash") and not _CRYPT.fullmatch(user["password_hash"]):
        yield f"user {name} has a password_hash that is no SHA-256 or SHA-512 crypt ($5$ or $6$)"
    for group in user.get("groups") or ():
        if not _NAME.fullmatch(group):
            yield f"user {name} is in a group {group!r}, whose name must be of letters, digits, dots, dashes and underscores"
    try:
        seconds(user.get("expires") or "1970-01-01")
    except ValueError:
        yield f"user {name} expires on {user['expires']!r}, which is no date like 2027-01-31 or 2027-01-31T18:00:00Z"


def _of_rule(rule: Mapping, users: set[str], groups: set[str]) -> t.Iterator[str]:
    given = {key: rule.get(key) or () for key in ("users", "groups", "repositories", "allow")}
    if not (given["users"] or given["groups"] or rule.get("anonymous")):
        yield "is for nobody: it needs users, groups or anonymous"
    yield from (f"names the user {name}, who does not exist" for name in given["users"] if name not in users)
    yield from (f"names the group {name}, in which nobody is" for name in given["groups"] if name not in groups)
    for key in ("repositories", "allow"):
        if not given[key]:
            yield f"has no {key}"
    for pattern in given["repositories"]:
        if not _PATTERN.fullmatch(pattern):
            yield f"has the pattern {pattern!r}; a pattern is a repository, or one followed by /* (what is directly in it) or /** (all below it), or * or **"
    for word in given["allow"]:
        if word not in LETTERS:
            yield f"allows {word!r}; it can allow {', '.join(LETTERS)}"
        elif rule.get("anonymous") and word not in _READING:
            yield f"allows anybody to {word}; without a name one may only {' and '.join(_READING)}"
