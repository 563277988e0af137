# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a swarm takes for fleets that are too large to measure here: a model with one number that is fitted to what was measured.

In each round every host asks one of those that it knows for a piece that it lacks, of some the one that the fewest have. Each host, and the seed, answers one
in a round. It knows the fifty that a tracker names, and those to whom it was named. With the chance C(waste) an answer is of no use: the piece came
twice, or the link stood idle. A round is what a link takes for a piece, so the time is that of the rounds, and of what it took in the measurement until
the first piece came.

    python3 tests/bench/swarm_model.py FIGURES.json

with what the benchmark in test_swarm_alone.py measured prints the model beside that, and for larger fleets.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import typing as t
from pathlib import Path

PIECES = 64  # in which a model's bundle comes: with 128 the times below differ by less than the model errs
NEIGHBOURS = 50  # opentracker's answer has as many
DRAWS = 4  # pieces of which the rarest is taken
_ALL = (1 << PIECES) - 1
SIZES = (4, 16, 32, 64, 128, 256, 1000, 4000, 10_000)
_WASTES = [step / 50 for step in range(30)]
_ROUNDS = 5  # of small fleets, whose chances differ

Known = t.Mapping[str, t.Any]


def rounds(hosts: int, waste: float, seed: int = 1) -> int:
    """The rounds until each of so many hosts has every piece."""
    dice = random.Random(seed)
    # The last is the seed.
    has = [0] * hosts + [_ALL]
    known = _neighbours(hosts + 1, dice)
    copies = [1] * PIECES
    lacking, count = list(range(hosts)), 0
    while lacking:
        count += 1
        dice.shuffle(lacking)
        before, busy = list(has), [False] * len(has)
        for receiver in lacking:
            sender = _who_can(has[receiver], known[receiver], before, busy, dice)
            if sender is not None:
                busy[sender] = True
                if dice.random() >= waste:
                    useful = before[sender] & ~has[receiver]
                    piece = min((_any_piece(useful, dice) for _draw in range(DRAWS)), key=copies.__getitem__)
                    copies[piece] += 1
                    has[receiver] |= 1 << piece
        lacking = [host for host in lacking if has[host] != _ALL]
    return count


def _neighbours(count: int, dice: random.Random) -> list[list[int]]:
    """Whom each knows, and is known to."""
    known: list[set[int]] = [set() for _host in range(count)]
    for host in range(count):
        for other in dice.sample(range(count), min(NEIGHBOURS, count)):
            if other != host:
                known[host].add(other)
                known[other].add(host)
    return [sorted(others) for others in known]


def _who_can(
    has: int, known: t.Sequence[int], before: t.Sequence[int], busy: t.Sequence[bool], dice: random.Random
) -> int | None:
    """Any of those that a host knows who has what it lacks and time for it."""
    start = int(dice.random() * len(known))
    for turn in range(len(known)):
        other = known[turn + start - len(known)]
        if not busy[other] and before[other] & ~has:
            return other
    return None


def _any_piece(pieces: int, dice: random.Random) -> int:
    """One of the pieces whose bits are set."""
    turn = int(dice.random() * PIECES)
    above = pieces >> turn << turn
    chosen = above or pieces
    return (chosen & -chosen).bit_length() - 1


def ratio(hosts: int, waste: float, start: float) -> float:
    """The time for so many hosts over what one link takes; I(start) is what it takes until the first piece comes, over the same."""
    repeats = _ROUNDS if hosts < 100 else 1
    return start + statistics.fmean(rounds(hosts, waste, seed) for seed in range(repeats)) / PIECES


def fit(known: Known) -> tuple[float, float]:
    """The I(waste) with which the model errs least, in relation, and the I(start)."""
    start = statistics.median(found["first"] for found in known["hosts"]) / known["link"]

    def error(waste: float) -> float:
        return sum((ratio(found["hosts"], waste, start) / _measured(known, found) - 1) ** 2 for found in known["hosts"])

    return min(_WASTES, key=error), start


def _measured(known: Known, found: Known) -> float:
    return t.cast(float, found["last"] / known["link"])


def table(known: Known, sizes: t.Iterable[int]) -> str:
    """The model beside what was measured."""
    waste, start = fit(known)
    measured = {found["hosts"]: _measured(known, found) for found in known["hosts"]}
    lines = [
        f"  of what is sent {waste:.0%} is of no use; the first piece comes after {start:.2f} of the link's time",
        "   hosts  model  measured  error",
    ]
    for hosts in sizes:
        told = ratio(hosts, waste, start)
        beside = f"  {measured[hosts]:8.2f} {told / measured[hosts] - 1:+6.0%}" if hosts in measured else ""
        lines.append(f"  {hosts:6} {told:6.2f}{beside}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(json.loads(Path(sys.argv[1]).read_text()), SIZES))
