# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deltas by the real xdelta3: what they make, and what hostile ones cannot do."""

from __future__ import annotations

import random
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _delta
from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, BundleError, HostError
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program

OLD = random.Random(1).randbytes(300_000)
NEW = OLD[:100_000] + b"changed" + OLD[100_000:] + b"more"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "old").write_bytes(OLD)
    (tmp_path / "new").write_bytes(NEW)
    return tmp_path


def encode(place: Path, name: str = "delta") -> Path:
    _delta.encode(str(place / "old"), str(place / "new"), str(place / name), run_program)
    return place / name


def apply(place: Path, **changes: t.Any) -> bytes:
    arguments = {"base": "old", "delta": "delta", "target": "restored", "size": len(NEW), **changes}
    base, delta, target = (str(place / arguments.pop(name)) for name in ("base", "delta", "target"))
    _delta.apply(base, delta, target, run=run_program, **arguments)
    return (place / "restored").read_bytes()


def test_makes_the_target_of_its_base(place: Path) -> None:
    assert encode(place).stat().st_size < 1000
    assert apply(place) == NEW


def test_the_same_files_make_the_same_delta_wherever_they_are(
    place: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("elsewhere")
    (other / "old").write_bytes(OLD)
    (other / "new").write_bytes(NEW)
    assert encode(place).read_bytes() == encode(other, "another-name").read_bytes()


def bomb(place: Path) -> None:
    """A delta of some bytes for a target of 64 MB."""
    (place / "new").write_bytes(b"\0" * 64_000_000)
    assert encode(place).stat().st_size < 20_000


def truncated(place: Path) -> None:
    delta = encode(place)
    delta.write_bytes(delta.read_bytes()[:-20])


def of_another_base(place: Path) -> None:
    encode(place)
    (place / "old").write_bytes(random.Random(2).randbytes(len(OLD)))


def no_delta(place: Path) -> None:
    (place / "delta").write_bytes(b"#!/bin/sh\necho run me\n")


HOSTILE: list[t.Any] = [
    pytest.param(bomb, {}, id="bomb"),
    pytest.param(truncated, {}, id="truncated"),
    pytest.param(of_another_base, {}, id="another base"),
    pytest.param(no_delta, {}, id="no delta at all"),
    pytest.param(encode, {"size": len(NEW) - 1}, id="more than was announced"),
    pytest.param(encode, {"size": len(NEW) + 1}, id="less than was announced"),
    pytest.param(encode, {"memory": 20_000_000}, id="more memory than was announced"),
]


@pytest.mark.parametrize(("prepare", "changes"), HOSTILE)
def test_what_a_hostile_delta_can_not_do(
    place: Path, prepare: t.Callable[[Path], t.Any], changes: dict[str, t.Any]
) -> None:
    prepare(place)
    with pytest.raises(BundleError, match="does not make a layer of .* of its base"):
        apply(place, **changes)
    restored = place / "restored"
    assert not restored.exists() or restored.stat().st_size <= len(NEW)


def test_a_compressed_target_is_not_handed_to_another_program(place: Path) -> None:
    """xdelta3 can note in a delta that the output shall be compressed by gzip, and would run it."""
    run_program(["gzip", "--force", "--keep", str(place / "new")], None)
    run_program(["gzip", "--force", "--keep", str(place / "old")], None)
    run_program(["xdelta3", "-e", "-f", "-s", str(place / "old.gz"), str(place / "new.gz"), str(place / "delta")], None)
    assert apply(place) == NEW


def test_a_full_disk_is_told_before_anything_is_written(place: Path) -> None:
    encode(place)
    with pytest.raises(HostError, match="bytes free, and a layer that is restored from a delta needs"):
        apply(place, size=1 << 60)
    assert not (place / "restored").exists()


@pytest.mark.parametrize("work", [encode, apply])
def test_a_missing_tool_is_named(place: Path, work: t.Callable[[Path], t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    encode(place)
    monkeypatch.setattr(_delta, "TOOL", "no-xdelta3-here")
    with pytest.raises(AirliftError, match="apt-get install xdelta3"):
        work(place)
