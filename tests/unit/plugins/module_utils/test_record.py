# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of an encrypted bundle: it tells its maker whether anything changed, and nobody else anything."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _record
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._form import Form
from ansible_collections.airlift.registry.plugins.module_utils._source import parse_wanted
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer, flip

FORM = Form(recipients=("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",))
FACTS = [{"compression": "gzip"}, [["app:1", "docker-daemon:app:1", "sha256:1"]], [], [], "ssh-ed25519 AAAA"]


@pytest.fixture
def base(tmp_path: Path, signer: Signer) -> Path:
    """What the files of a recorded bundle begin with; it is in two parts."""
    base = tmp_path / "app.tar.age"
    for name, content in (("001", b"age-encryption.org/v1\nxx"), ("002", b"rest")):
        (tmp_path / f"app.tar.age.{name}").write_bytes(content)
    (tmp_path / "app.tar.age.SHA256SUMS").write_bytes(b"0" * 64 + b"  app.tar.age.001\n")
    _record.write_record(str(base), FACTS, str(signer.key), run_program)
    return base


def differences(base: Path, signer: Signer, facts: t.Any = FACTS) -> list[str]:
    return _record.record_differences(str(base.with_suffix("")), FORM, facts, str(signer.key), run_program)


def test_nothing_has_changed(base: Path, signer: Signer) -> None:
    assert differences(base, signer) == []


def test_there_is_no_bundle(tmp_path: Path, signer: Signer) -> None:
    assert differences(tmp_path / "app.tar.age", signer) == [f"there is no bundle at {tmp_path}/app.tar"]


def damaged(base: Path) -> None:
    flip(base.with_name("app.tar.age.002"))


def lost(base: Path) -> None:
    base.with_name("app.tar.age.002").unlink()


def swapped(base: Path) -> None:
    first, second = (base.with_name(f"app.tar.age.{number}") for number in ("001", "002"))
    heads = first.read_bytes(), second.read_bytes()
    first.write_bytes(heads[1])
    second.write_bytes(heads[0])


def surplus(base: Path) -> None:
    base.with_name("app.tar.age.003").write_bytes(b"more")


def no_record(base: Path) -> None:
    base.with_name("app.tar.age.record").unlink()


def broken_record(base: Path) -> None:
    base.with_name("app.tar.age.record").write_text("airlift-record 1 nothing\n")


def endless_record(base: Path) -> None:
    base.with_name("app.tar.age.record").write_bytes(b"airlift-record 1 " + bytes(1 << 20))


def record_of_another_salt(base: Path) -> None:
    record = base.with_name("app.tar.age.record")
    head, _salt, code = record.read_text().rsplit(" ", 2)
    record.write_text(f"{head} {'0' * 64} {code}")


CHANGES = [damaged, lost, swapped, surplus, no_record, broken_record, endless_record, record_of_another_salt]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: str(change.__name__))
def test_what_is_there_has_changed(base: Path, signer: Signer, change: t.Callable[[Path], None]) -> None:
    change(base)
    (reason,) = differences(base, signer)
    assert f"{base} is not what would be made now" in reason


@pytest.mark.parametrize("number", range(len(FACTS)))
def test_what_it_would_be_made_of_has_changed(base: Path, signer: Signer, number: int) -> None:
    facts = [*FACTS[:number], "other", *FACTS[number + 1 :]]
    assert len(differences(base, signer, facts)) == 1


def test_only_the_holder_of_the_key_can_tell(base: Path, signer: Signer, stranger: Signer) -> None:
    """Whoever guesses all facts gets no confirmation."""
    assert len(differences(base, stranger)) == 1
    assert differences(base, signer) == []


def test_two_records_of_the_same_have_nothing_in_common(base: Path, signer: Signer) -> None:
    record = base.with_name("app.tar.age.record")
    first = record.read_text().split()
    _record.write_record(str(base), FACTS, str(signer.key), run_program)
    assert set(first) & set(record.read_text().split()) == {"airlift-record", "1"}


def test_a_key_that_cannot_sign_is_named(base: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="could not sign with"):
        _record.is_recorded(str(base), FACTS, str(tmp_path / "nokey"), run_program)


ID = "sha256:" + "1" * 64
WANTED = parse_wanted("docker-daemon:app:1", "linux/amd64")
OPTIONS = {"compression": "gzip", "path": "/a.tar", "parallel": 4}


def facts(**changes: t.Any) -> t.Any:
    arguments = {"options": OPTIONS, "ids": {WANTED: ID}, "taken": [], "bases": ["sha256:2", "sha256:3"], "public_key": "ssh-ed25519 AAAA"}  # fmt: skip
    return _record.facts(**{**arguments, **changes})


@pytest.mark.parametrize(
    ("changes", "is_same"),
    [
        pytest.param({"options": {**OPTIONS, "path": "/b.tar", "parallel": 1}}, True, id="options that make no difference"),
        pytest.param({"options": {**OPTIONS, "compression": "zstd"}}, False, id="option"),
        pytest.param({"bases": ["sha256:3", "sha256:2"]}, True, id="bases in another order"),
        pytest.param({"bases": ["sha256:2"]}, False, id="other bases"),
        pytest.param({"ids": {WANTED: "sha256:" + "2" * 64}}, False, id="another image"),
        pytest.param({"ids": {}}, False, id="fewer images"),
        pytest.param({"public_key": "ssh-ed25519 BBBB"}, False, id="another signer"),
    ],
)  # fmt: skip
def test_what_decides_what_a_bundle_is(changes: dict[str, t.Any], is_same: bool) -> None:
    assert (facts(**changes) == facts()) is is_same
