# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Users, groups and rules of a registry, as the tables that HAProxy looks into.

Users who have the same rights share a class. A right is a text, C(CLASS LETTER:REPOSITORY), and is found in one of two sets: as it is, or with its last
component as C(*); or by its beginning. Both are trees in HAProxy, so hundreds of users and rules cost as much as one. A class is named after the
rights that it has: whatever mixture of old and new tables HAProxy reads, a name never means more than it says.
"""

from __future__ import annotations

import datetime
import hashlib
import typing as t

Mapping = t.Mapping[str, t.Any]
# What the letter of a right means.
LETTERS = {"pull": "p", "push": "w", "delete": "d", "list": "l"}
# Nobody: who asks without a name. No user can be called so.
NOBODY = "-"


def tables(users: t.Sequence[Mapping], rules: t.Sequence[Mapping]) -> dict[str, str]:
    """The tables by name, each with one entry a line, sorted.

    C(classes): user and class. C(expiry): user and the second since 1970 from which on the user is refused, for those who have one. C(exact): rights as
    they are, or with C(*) for the last component. C(beginnings): what rights begin with. I(users) and I(rules) are those that _access_check finds nothing
    wrong with.
    """
    rights = {NOBODY: _rights(rules, NOBODY, frozenset())}
    rights.update({user["name"]: _rights(rules, user["name"], frozenset(user.get("groups") or ())) for user in users})
    entries = {f"{class_name(each)}{letter}:{pattern}" for each in rights.values() for letter, pattern in each}
    beginnings = {entry for entry in entries if entry.endswith("**")}
    return {
        "classes": _lines(f"{name} {class_name(each)}" for name, each in rights.items()),
        "expiry": _lines(f"{user['name']} {seconds(user['expires'])}" for user in users if user.get("expires")),
        "exact": _lines(entries - beginnings),
        "beginnings": _lines(entry[:-2] for entry in beginnings),
    }


def class_name(rights: frozenset[tuple[str, str]]) -> str:
    """Same rights, same name; every name has 12 characters, so that none begins another."""
    return hashlib.sha256(repr(sorted(rights)).encode()).hexdigest()[:12]


def seconds(moment: t.Any) -> int:
    """The second at which a date begins, or a moment in ISO 8601, in UTC if it says no zone. ValueError when it is neither."""
    parsed = datetime.datetime.fromisoformat(str(moment).replace("Z", "+00:00"))
    return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=datetime.timezone.utc)).timestamp())


def _rights(rules: t.Sequence[Mapping], user: str, groups: frozenset[str]) -> frozenset[tuple[str, str]]:
    """Letters and patterns that the rules give to a user, or to NOBODY; what anybody may, everybody may."""
    return frozenset(
        (LETTERS[word], pattern)
        for rule in rules
        if rule.get("anonymous") or user in (rule.get("users") or ()) or groups & frozenset(rule.get("groups") or ())
        for word in rule["allow"]
        for pattern in rule["repositories"]
    )


def _lines(entries: t.Iterable[str]) -> str:
    return "".join(f"{entry}\n" for entry in sorted(entries))
