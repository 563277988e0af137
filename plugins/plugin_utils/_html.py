# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""HTML that is safe by its type: text is escaped when it goes into an element, and only an element is not."""

from __future__ import annotations

import html
import typing as t

_VOID = frozenset({"rect", "path"})  # of SVG; they have no content here


class Html(str):
    """Markup that was made here."""

    __slots__ = ()


def tag(name: str, *children: object, **attributes: object) -> Html:
    """An element. Attributes lose a last underscore (C(class_)) and have dashes for others; None and False leave one out."""
    opening = name + "".join(_attribute(key, value) for key, value in attributes.items())
    return Html(f"<{opening}/>" if name in _VOID else f"<{opening}>{joined(children)}</{name}>")


def joined(children: t.Iterable[object]) -> Html:
    """Elements and text in their order."""
    return Html("".join(child if isinstance(child, Html) else html.escape(str(child)) for child in children))


def name_of(text: object) -> Html:
    """A name from outside, which may be written in the other direction and must not turn what is around it."""
    return tag("bdi", text)


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'
