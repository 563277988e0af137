# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what happens, in plain words, and remembers which claims were true."""

from __future__ import annotations

import time
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass


class DemoError(Exception):
    """A step could not be done; the story ends here."""


@dataclass(frozen=True)
class Claim:
    """Something the story says, what was seen, and whether it is so."""

    text: str
    seen: str
    holds: bool


def say(text: str) -> None:
    """A sentence for people."""
    print(text, flush=True)


def megabytes(count: float) -> str:
    """Bytes for people."""
    return f"{count / 1e6:.1f} MB"


class Narrator:
    """Tells the steps and checks the claims."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._claims: list[Claim] = []
        self._failure: str | None = None

    @contextmanager
    def reporting(self) -> t.Iterator[None]:
        """Tell the story; whatever ends it, the table of claims comes last."""
        try:
            yield
        except DemoError as error:
            self._failure = str(error)
        self._print_table()

    @contextmanager
    def step(self, title: str) -> t.Iterator[None]:
        """One step, with its time."""
        say(f"\n== {title}")
        started = time.monotonic()
        yield
        say(f"   ({time.monotonic() - started:.1f} s)")

    def claim(self, text: str, seen: str, holds: bool) -> None:
        """Check one claim and say what was seen."""
        self._claims.append(Claim(text, seen, holds))
        say(f"   {'yes' if holds else 'NO '}  {text}: {seen}")

    def exit_code(self) -> int:
        """0 when the story was told to its end and every claim held."""
        return 0 if self._failure is None and all(claim.holds for claim in self._claims) else 1

    def _print_table(self) -> None:
        width = max((len(claim.text) for claim in self._claims), default=0)
        say(f"\n== What was claimed, and what was seen ({time.monotonic() - self._started:.0f} s in all)")
        for claim in self._claims:
            say(f"   {'yes' if claim.holds else 'NO '}  {claim.text:<{width}}  {claim.seen}")
        if self._failure is not None:
            say(f"\nThe story ended early: {self._failure}")
