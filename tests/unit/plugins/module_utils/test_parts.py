# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files in parts: read as one, each part checked alone, and whatever is wrong with one named."""

from __future__ import annotations

import os
import re
import subprocess
import tracemalloc
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _parts
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError, InputError
from ansible_collections.airlift.registry.tests.unit.plugins.support import media
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import flip

CONTENT = bytes(range(256)) * 10  # 2560 bytes
SIZE = 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a file that is there in three parts."""
    whole = tmp_path / "app.tar"
    whole.write_bytes(CONTENT)
    media.split(whole, SIZE)
    return whole


def part(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number:03}")


def found(path: Path) -> _parts.Parts:
    parts = _parts.find_parts(str(path))
    assert parts
    return parts


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("5000000", 5_000_000),
        ("700MiB", 700 * 2**20),
        ("700 MiB", 700 * 2**20),
        ("25GB", 25 * 10**9),
        ("4GiB-1", 2**32 - 1),
        ("fat32", 2**32 - 1),
        ("dvd", 4_697_620_480),
    ],
)
def test_sizes_of_parts(text: str, size: int) -> None:
    assert _parts.parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "4G", "big", "1.5GiB", "1GiB-1GiB", "1MiB-1048576", "1kB-2000", "٣MiB"]
)
def test_refuses_what_is_no_size(text: str) -> None:
    with pytest.raises(InputError, match="is no size of a part") as error:
        _parts.parse_size(text)
    assert "fat32" in error.value.next_step


@pytest.mark.parametrize("size", [999, 1000, 2559, 2560, 2561])
def test_writes_what_split_and_sha256sum_would(tmp_path: Path, size: int) -> None:
    path = tmp_path / "ours" / "app.tar"
    path.parent.mkdir()
    with _parts.PartWriter(str(path), size) as writer:
        for start in range(0, len(CONTENT), 700):
            writer.write(CONTENT[start : start + 700])
        assert writer.tell() == len(CONTENT)
    writer.write_sums()
    theirs = tmp_path / "app.tar"
    theirs.write_bytes(CONTENT)
    media.split(theirs, size)
    assert {entry.name: entry.read_bytes() for entry in path.parent.iterdir()} == {
        entry.name: entry.read_bytes() for entry in tmp_path.iterdir() if entry.is_file()
    }
    subprocess.run(["sha256sum", "--quiet", "--strict", "-c", "app.tar.SHA256SUMS"], cwd=path.parent, check=True)
    assert (
        subprocess.run("cat app.tar.[0-9]*", shell=True, cwd=path.parent, check=True, capture_output=True).stdout
        == CONTENT
    )


def test_does_not_write_more_parts_than_have_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_parts, "MAX_PARTS", 2)
    writer = _parts.PartWriter(str(tmp_path / "app.tar"), SIZE)
    with writer, pytest.raises(InputError, match="more than 2 parts of 1000 bytes") as error:
        writer.write(CONTENT)
    assert "larger" in error.value.next_step


def test_reads_parts_as_one_file(path: Path) -> None:
    parts = found(path)
    assert parts.sizes == (1000, 1000, 560)
    with parts.open() as stream:
        assert stream.read() == CONTENT
        for start in range(0, len(CONTENT) + 50, 37):
            for length in (1, 200, 1300):
                stream.seek(start)
                assert stream.read(length) == CONTENT[start : start + length]
        assert stream.seek(-10, os.SEEK_END) == len(CONTENT) - 10
        assert stream.read(100) == CONTENT[-10:]
    assert parts.problems() == []


def test_nothing_there_is_no_parts(tmp_path: Path) -> None:
    assert _parts.find_parts(str(tmp_path / "app.tar")) is None
    assert _parts.find_parts(str(tmp_path / "nowhere" / "app.tar")) is None


def test_looks_for_parts_where_the_operator_stands(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    with found(Path("app.tar")).open() as stream:
        assert stream.read() == CONTENT


def lose(path: Path) -> None:
    part(path, 2).unlink()


def lose_the_last(path: Path) -> None:
    part(path, 3).unlink()


def lose_two(path: Path) -> None:
    part(path, 1).unlink()
    part(path, 3).unlink()


def truncate(path: Path) -> None:
    os.truncate(part(path, 2), 999)


def truncate_the_first(path: Path) -> None:
    os.truncate(part(path, 1), 600)


def empty_the_last(path: Path) -> None:
    os.truncate(part(path, 3), 0)


def grow_the_last(path: Path) -> None:
    part(path, 3).write_bytes(CONTENT[:1001])


def add(path: Path) -> None:
    part(path, 4).write_bytes(b"left over from a larger bundle")


def link(path: Path) -> None:
    part(path, 2).unlink()
    part(path, 2).symlink_to("/etc/passwd")


def pipe(path: Path) -> None:
    part(path, 2).unlink()
    os.mkfifo(part(path, 2))


def directory(path: Path) -> None:
    part(path, 2).unlink()
    part(path, 2).mkdir()


def lose_the_list(path: Path) -> None:
    path.with_name("app.tar.SHA256SUMS").unlink()


def link_the_list(path: Path) -> None:
    lose_the_list(path)
    path.with_name("app.tar.SHA256SUMS").symlink_to("/etc/passwd")


def rename(path: Path) -> None:
    for entry in list(path.parent.iterdir()):
        entry.rename(path.with_name(entry.name.replace("app", "other")))


def write_list(text: str) -> t.Callable[[Path], None]:
    return lambda path: t.cast(None, path.with_name("app.tar.SHA256SUMS").write_text(text))


SUM = "0" * 64


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        pytest.param(lose, r"Part app\.tar\.002 of 3 of bundle .*/app\.tar is missing", id="a part is lost"),
        pytest.param(lose_the_last, r"Part app\.tar\.003 of 3 .* is missing", id="the last part is lost"),
        pytest.param(lose_two, r"Part app\.tar\.001 of 3 .*missing\. Part app\.tar\.003 of 3", id="two parts are lost"),
        pytest.param(truncate, r"Part app\.tar\.002 .* cut short: it has 999 bytes, and the others have 1000", id="cut short"),
        pytest.param(truncate_the_first, r"Part app\.tar\.001 .* cut short: it has 600 bytes", id="the first is cut short"),
        pytest.param(empty_the_last, r"Part app\.tar\.003 .* cut short: it has 0 bytes", id="the last is empty"),
        pytest.param(grow_the_last, r"Part app\.tar\.001 .* cut short", id="the last is larger than the others"),
        pytest.param(add, r"app\.tar\.004 beside bundle .* is not in its list of 3 parts", id="one part too many"),
        pytest.param(link, r"Part .*app\.tar\.002 is a link", id="a part is a link"),
        pytest.param(pipe, r"Part .*app\.tar\.002 is a link or a special file", id="a part is a pipe"),
        pytest.param(directory, r"Part .*app\.tar\.002 is a link or a special file", id="a part is a directory"),
        pytest.param(lose_the_list, r"the list of them, .*app\.tar\.SHA256SUMS, is missing", id="the list is lost"),
        pytest.param(link_the_list, r"app\.tar\.SHA256SUMS is a link", id="the list is a link"),
        pytest.param(write_list(""), "lists no parts", id="the list is empty"),
        pytest.param(write_list("hello\n"), "Line 1 .* is not the checksum of app.tar.001", id="the list is text"),
        pytest.param(write_list(f"{SUM}  app.tar.002\n"), "Line 1 .* is not the checksum of app.tar.001", id="the list begins with the second"),
        pytest.param(write_list(f"{SUM}  ../app.tar.001\n"), "Line 1 .* is not the checksum", id="the list leads elsewhere"),
        pytest.param(write_list("".join(f"{SUM}  app.tar.{n:03}\n" for n in range(1, 1001))), "Line 1000 ", id="the list has no end"),
    ],
)  # fmt: skip
def test_names_what_does_not_fit(path: Path, damage: t.Callable[[Path], None], problem: str) -> None:
    damage(path)
    with pytest.raises(BundleError, match=problem) as error:
        _parts.find_parts(str(path))
    assert "Copy " in error.value.next_step or "Don't use it" in error.value.next_step


def test_parts_keep_their_names(path: Path) -> None:
    rename(path)
    with pytest.raises(BundleError, match=r"is not the checksum of other\.tar\.001") as error:
        _parts.find_parts(str(path.with_name("other.tar")))
    assert "own names back" in error.value.next_step


def swap(path: Path) -> None:
    part(path, 1).rename(path)
    part(path, 2).rename(part(path, 1))
    path.rename(part(path, 2))


def flip_a_bit(path: Path) -> None:
    flip(part(path, 3))


def another_bundle(path: Path) -> None:
    part(path, 2).write_bytes(bytes(SIZE))


@pytest.mark.parametrize(
    ("damage", "problems"),
    [
        pytest.param(swap, [r"app\.tar\.001 was swapped: it holds what belongs into app\.tar\.002$", r"app\.tar\.002 was swapped"], id="swapped"),
        pytest.param(flip_a_bit, [r"app\.tar\.003 is damaged, or is of another bundle"], id="flipped bit"),
        pytest.param(another_bundle, [r"app\.tar\.002 is damaged, or is of another bundle"], id="of another bundle"),
    ],
)  # fmt: skip
def test_names_each_part_whose_content_is_wrong(
    path: Path, damage: t.Callable[[Path], None], problems: list[str]
) -> None:
    damage(path)
    said = [error.problem for error in found(path).problems()]
    assert len(said) == len(problems)
    for sentence, problem in zip(said, problems, strict=True):
        assert re.search(problem, sentence)


def test_a_part_that_shrinks_while_it_is_read_is_named(path: Path) -> None:
    with found(path).open() as stream:
        os.truncate(part(path, 2), 100)
        with pytest.raises(BundleError, match=r"app\.tar\.002 got shorter"):
            stream.read()


def test_parts_of_many_gigabytes_take_no_memory(tmp_path: Path) -> None:
    """Three parts of FAT32's size, which are holes with a few bytes at the seams."""
    size = _parts.parse_size("fat32")
    for number in (1, 2, 3):
        with open(tmp_path / f"big.tar.{number:03}", "wb") as target:
            target.write(b"begin%d" % number)
            target.seek(size - 4)
            target.write(b"end%d" % number)
    (tmp_path / "big.tar.SHA256SUMS").write_text("".join(f"{SUM}  big.tar.{n:03}\n" for n in (1, 2, 3)))
    tracemalloc.start()
    with found(tmp_path / "big.tar").open() as stream:
        for number in (1, 2):
            stream.seek(number * size - 4)
            assert stream.read(10) == b"end%dbegin%d" % (number, number + 1)
        stream.seek(size // 2)
        assert not stream.read(2**20).strip(b"\0")
    assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    tracemalloc.stop()
