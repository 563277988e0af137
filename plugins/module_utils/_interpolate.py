# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Variables in a Compose file: text in, text out (Compose specification, "Interpolation")."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-?+]")
_MAX_DEPTH = 20  # of defaults in defaults


def interpolate(text: str, variables: t.Mapping[str, str], what: str) -> str:
    """The text with its variables replaced: C($X), C(${X}), with a default, an alternative or an error; C($$) is a dollar.

    A variable that is not set and has no default raises InputError; I(what) names the text.
    """
    return _Text(text, variables, what).expand(0, 0, "")[0]


class _Text:
    def __init__(self, text: str, variables: t.Mapping[str, str], what: str) -> None:
        self._text = text
        self._variables = variables
        self._what = what

    def expand(self, at: int, depth: int, end: str) -> tuple[str, int]:
        """What is from I(at) up to I(end), and the place behind it."""
        if depth > _MAX_DEPTH:
            raise self._error(f"nests variables more than {_MAX_DEPTH} deep")
        pieces: list[str] = []
        while at < len(self._text):
            if end and self._text[at] == end:
                return "".join(pieces), at + 1
            piece, at = self._variable(at, depth) if self._text[at] == "$" else (self._text[at], at + 1)
            pieces.append(piece)
        if end:
            raise self._error(f"lacks a {end}")
        return "".join(pieces), at

    def _variable(self, at: int, depth: int) -> tuple[str, int]:
        if self._text.startswith("$$", at):
            return "$", at + 2
        braced = self._text.startswith("${", at)
        name = _NAME.match(self._text, at + 1 + braced)
        if not name:
            raise self._error("has a dollar before what is no variable; write $$ for a dollar")
        if not braced:
            return self._value(name[0]), name.end()
        operator = _OPERATOR.match(self._text, name.end())
        argument, after = self._argument(operator.end() if operator else name.end(), depth)
        if not operator and argument:
            raise self._error(f"has {argument!r} after the variable {name[0]}")
        return self._choose(name[0], operator[0] if operator else "", argument), after

    def _argument(self, at: int, depth: int) -> tuple[str, int]:
        return self.expand(at, depth + 1, "}")

    def _choose(self, name: str, operator: str, argument: str) -> str:
        value = self._variables.get(name)
        # With a colon an empty value counts as none.
        is_set = bool(value) if operator.startswith(":") else value is not None
        kind = operator[-1:]
        if kind == "+":
            return argument if is_set else ""
        if not is_set and kind == "-":
            return argument
        if not is_set and kind == "?":
            raise self._error(f"needs the variable {name}: {argument or 'it is not set'}")
        return self._value(name)

    def _value(self, name: str) -> str:
        if name not in self._variables:
            raise self._error(f"uses the variable {name}, which is not set and has no default")
        return self._variables[name]

    def _error(self, why: str) -> InputError:
        return InputError(f"{self._what} {why}", "Set it with compose_variables, or correct the file.")
