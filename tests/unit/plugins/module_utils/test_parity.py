# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parity, with the real par2: how much is made, what it rebuilds, and what is never believed of it."""

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _parity
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError, HostError
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.support import media
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import flip

CONTENT = os.urandom(100_000)
SIZE = 30_000  # four parts, the last of 10 000 bytes
FAT32 = 2**32 - 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file in four parts, with parity that is enough for one of them."""
    whole = tmp_path / "app.tar"
    whole.write_bytes(CONTENT)
    names = [part.name for part in media.split(whole, SIZE)] + ["app.tar.SHA256SUMS"]
    sizes = [(tmp_path / name).stat().st_size for name in names]
    layout = _parity.plan_parity(sizes, 31)
    _parity.create(str(whole), names, layout, run_program)
    assert _parity.is_complete(str(whole), layout)
    assert layout.rebuilds(SIZE)
    return whole


def contents(directory: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in directory.iterdir()}


@pytest.mark.parametrize(
    ("sizes", "percent"),
    [
        pytest.param([FAT32] * 5 + [123], 10, id="parts of FAT32"),
        pytest.param([FAT32] * 3, 100, id="as much again"),
        pytest.param([4480 << 20] * 2, 50, id="DVDs"),
        pytest.param([100 << 20] * 999, 1, id="many parts"),
        pytest.param([50 << 30], 5, id="one large file"),
        pytest.param([10], 1, id="one small file"),
    ],
)
def test_parity_fits_the_medium(sizes: list[int], percent: int) -> None:
    layout = _parity.plan_parity(sizes, percent)
    assert layout.block % 4 == 0
    assert layout.count * layout.block >= sum(sizes) * percent / 100
    # Not much more either: a block for each file, and one.
    assert layout.count * layout.block <= (sum(sizes) + len(sizes) * layout.block) * percent / 100 + layout.block
    assert -(-layout.count // layout.files) * (layout.block + 68) < max(sizes) or max(sizes) < 1000
    assert sum(-(-size // layout.block) for size in sizes) <= 32768  # the most that par2 takes


def test_says_whether_a_part_can_be_rebuilt() -> None:
    assert _parity.plan_parity([1000] * 4, 25).rebuilds(1000)
    assert not _parity.plan_parity([1000] * 4, 24).rebuilds(1000)


def lose(path: Path) -> None:
    path.with_name("app.tar.002").unlink()


def flip_a_bit(path: Path) -> None:
    flip(path.with_name("app.tar.003"))


def truncate(path: Path) -> None:
    os.truncate(path.with_name("app.tar.001"), 20_000)


def swap(path: Path) -> None:
    path.with_name("app.tar.001").rename(path)
    path.with_name("app.tar.002").rename(path.with_name("app.tar.001"))
    path.rename(path.with_name("app.tar.002"))


def another(path: Path) -> None:
    path.with_name("app.tar.002").write_bytes(os.urandom(SIZE))


def lose_the_list(path: Path) -> None:
    path.with_name("app.tar.SHA256SUMS").unlink()


def lose_a_file_of_parity(path: Path) -> None:
    lose_the_list(path)
    sorted(path.parent.glob("*.vol*.par2"))[0].unlink()


def damage_the_parity_too(path: Path) -> None:
    lose_the_list(path)
    flip(sorted(path.parent.glob("*.vol*.par2"))[0])


@pytest.mark.parametrize(
    "damage",
    [lose, flip_a_bit, truncate, swap, another, lose_the_list, lose_a_file_of_parity, damage_the_parity_too],
    ids=lambda damage: damage.__name__,
)
def test_rebuilds(path: Path, damage: t.Callable[[Path], None]) -> None:
    before = contents(path.parent)
    damage(path)
    damaged = contents(path.parent)
    assert _parity.check_repair(str(path), run_program) is True
    assert contents(path.parent) == damaged
    _parity.repair(str(path), run_program)
    after = contents(path.parent)
    assert {name: data for name, data in after.items() if not name.endswith(".par2")} == {
        name: data for name, data in before.items() if not name.endswith(".par2")
    }
    assert _parity.check_repair(str(path), run_program) is False


def test_others_can_rebuild(path: Path) -> None:
    before = contents(path.parent)
    lose(path)
    # The variable only spares time on a busy machine.
    passive = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    subprocess.run(["par2", "repair", "-q", "-q", "app.tar.par2"], cwd=path.parent, check=True, env=passive)
    assert contents(path.parent) == before


def test_the_same_files_make_the_same_parity(path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "app.tar"
    elsewhere.write_bytes(CONTENT)
    names = [part.name for part in media.split(elsewhere, SIZE)] + ["app.tar.SHA256SUMS"]
    sizes = [(elsewhere.parent / name).stat().st_size for name in names]
    _parity.create(str(elsewhere), names, _parity.plan_parity(sizes, 31), run_program)
    assert contents(elsewhere.parent) == contents(path.parent)


def test_says_that_too_much_is_lost(path: Path) -> None:
    lose(path)
    truncate(path)
    before = contents(path.parent)
    for work in (_parity.check_repair, _parity.repair):
        with pytest.raises(BundleError, match="not enough parity") as error:
            work(str(path), run_program)
        assert "Copy the bundle again" in error.value.next_step
        assert contents(path.parent) == before


def test_says_that_there_is_no_parity(path: Path) -> None:
    path.with_name("app.tar.par2").unlink()
    with pytest.raises(BundleError, match="There is no parity"):
        _parity.repair(str(path), run_program)


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param("inventory.yml", id="another file beside it"),
        pytest.param("app.tar.001.sh", id="almost a part"),
        pytest.param("x" * 5000, id="a name without end"),
        pytest.param("../app.tar.001", id="a file elsewhere"),
        pytest.param("/etc/app.tar.001", id="an absolute path"),
        pytest.param("", id="no name"),
    ],
)
@pytest.mark.parametrize("place", ["app.tar.par2", "app.tar.more.PAR2"])
def test_parity_for_other_files_is_never_used(path: Path, strange: str, place: str) -> None:
    """It would be par2 that writes them. Wherever the packet is, also behind what looks damaged."""
    name = strange.encode() + bytes(-len(strange) % 4)
    body = b"\0" * 16 + b"PAR 2.0\0FileDesc" + bytes(56) + name
    packet = b"PAR2\0PKT" + (len(body) + 32).to_bytes(8, "little") + bytes(16) + body
    with open(path.with_name(place), "ab") as target:
        target.write(os.urandom(2 * 2**20 - 50) + packet + b"PAR2\0PKT")
    lose(path)
    before = contents(path.parent)

    def run_nothing(_args: t.Sequence[str], _data: bytes | None) -> tuple[int, str, str]:
        raise AssertionError("par2 must not see it")

    for work in (_parity.check_repair, _parity.repair):
        with pytest.raises(BundleError, match="which is no file of this bundle"):
            work(str(path), run_nothing)
    assert contents(path.parent) == before


@pytest.mark.parametrize("name", ["app.tar.002", "app.tar.SHA256SUMS", "app.tar.par2", "app.tar.vol999+1.par2"])
def test_nothing_is_written_through_a_link(path: Path, tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    victim = tmp_path_factory.mktemp("victim") / "file"
    victim.write_bytes(b"precious")
    path.with_name(name).unlink(missing_ok=True)
    path.with_name(name).symlink_to(victim)
    with pytest.raises(BundleError, match="is a link"):
        _parity.repair(str(path), run_program)
    assert victim.read_bytes() == b"precious"


def test_what_par2_kept_is_removed_and_nothing_else(path: Path) -> None:
    path.with_name("app.tar.001.1").write_text("somebody's own")
    path.with_name("notes.1").write_text("somebody's own")
    truncate(path)
    _parity.repair(str(path), run_program)
    kept = [name for name in os.listdir(path.parent) if name.endswith((".1", ".2"))]
    assert sorted(kept) == ["app.tar.001.1", "notes.1"]


@pytest.mark.parametrize("damage", ["lost", "cut short", "more percent"])
def test_tells_whether_the_parity_is_there(path: Path, damage: str) -> None:
    sizes = [SIZE, SIZE, SIZE, 10_000, path.with_name("app.tar.SHA256SUMS").stat().st_size]
    volume = sorted(path.parent.glob("*.vol*.par2"))[0]
    if damage == "lost":
        volume.unlink()
    elif damage == "cut short":
        os.truncate(volume, 10)
    layout = _parity.plan_parity(sizes, 50 if damage == "more percent" else 31)
    assert not _parity.is_complete(str(path), layout)


def test_says_that_par2_is_not_installed(path: Path) -> None:
    def run_without(args: t.Sequence[str], data: bytes | None) -> tuple[int, str, str]:
        return run_program([f"no-such-{args[0]}", *args[1:]], data)

    for work in (_parity.check_repair, _parity.repair):
        with pytest.raises(HostError, match="par2 is not installed") as error:
            work(str(path), run_without)
        assert "package par2" in error.value.next_step
