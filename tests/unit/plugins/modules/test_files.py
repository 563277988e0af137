# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a configuration, written together: all of them or none, and no secret is shown."""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.airlift.registry.plugins.modules import files as module

Result = dict[str, t.Any]
Write = t.Callable[..., Result]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "place"


@pytest.fixture
def write(place: Path, capsys: pytest.CaptureFixture[str]) -> Write:
    def write(check_mode: bool = False, **changes: t.Any) -> Result:
        arguments = {
            "directories": [{"path": str(place)}],
            "files": [
                {"dest": str(place / "conf"), "content": "one\n", "mode": "0644"},
                {"dest": str(place / "token"), "secret": "hush hush\n"},
            ],
            "owner": pwd.getpwuid(os.geteuid()).pw_name,
            "group": grp.getgrgid(os.getegid()).gr_name,
            "_ansible_check_mode": check_mode,
            **changes,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        result: Result = json.loads(capsys.readouterr().out)
        return result

    return write


def content(place: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in place.iterdir()}


def test_check_mode_says_what_a_run_does_and_a_second_run_does_nothing(write: Write, place: Path) -> None:
    wanted = [str(place), str(place / "conf"), str(place / "token")]
    checked = write(check_mode=True)
    assert (checked["changed"], checked["changed_files"]) == (True, wanted)
    assert not place.exists()
    done = write()
    assert (done["changed_files"], done["diff"]) == (wanted, checked["diff"])
    assert content(place) == {"conf": "one\n", "token": "hush hush\n"}
    assert [stat.S_IMODE(path.stat().st_mode) for path in (place, place / "conf", place / "token")] == [
        0o700,
        0o644,
        0o600,
    ]
    again = write()
    assert (again["changed"], again["changed_files"], again["diff"]) == (False, [], [])


def test_no_secret_is_shown(write: Write, place: Path) -> None:
    write()
    (place / "token").write_text("old hush\n")
    (place / "conf").write_text("zero\n")
    told = write()
    assert told["changed_files"] == [str(place / "conf"), str(place / "token")]
    assert [(part["before"], part["after"]) for part in told["diff"]] == [
        ("zero\n", "one\n"),
        ("(a secret)\n", "(a secret)\n"),
    ]
    assert "hush" not in json.dumps(told)


@pytest.mark.parametrize("check_mode", [False, True], ids=["run", "check mode"])
def test_rights_alone_are_a_change(write: Write, place: Path, check_mode: bool) -> None:
    write()
    (place / "token").chmod(0o644)
    assert write(check_mode)["changed_files"] == [str(place / "token")]
    assert stat.S_IMODE((place / "token").stat().st_mode) == (0o644 if check_mode else 0o600)


def test_what_is_refused_changes_nothing(write: Write, place: Path) -> None:
    write()
    files = [{"dest": str(place / name), "content": f"new {name}\n"} for name in ("conf", "other")]
    # The command sees all files as they are to be, at their places below the directory that it is given.
    command = f"/bin/sh -c 'cat %s{place}/conf %s{place}/other >&2; exit {{}}'"
    refused = write(files=files, validate=command.format(1))
    assert refused["problem"] == "What was to be written is refused: new conf\nnew other"
    assert content(place) == {"conf": "one\n", "token": "hush hush\n"}
    assert write(files=files, validate=command.format(0))["changed_files"] == [
        str(place / "conf"),
        str(place / "other"),
    ]
    # Nothing differs, so nothing is asked.
    assert not write(files=files, validate=command.format(1))["changed"]


@pytest.mark.parametrize("check_mode", [False, True], ids=["run", "check mode"])
@pytest.mark.parametrize(
    ("dest", "problem"),
    [("nowhere/conf", "nowhere is no directory"), ("", "place is a directory")],
    ids=["no directory", "a directory is there"],
)
def test_a_file_that_cannot_be_there_is_named(
    write: Write, place: Path, check_mode: bool, dest: str, problem: str
) -> None:
    place.mkdir()
    failed = write(check_mode, files=[{"dest": str(place / dest).rstrip("/"), "content": ""}])
    assert failed["problem"].endswith(problem)
    assert "changed" not in failed or not failed["changed"]
