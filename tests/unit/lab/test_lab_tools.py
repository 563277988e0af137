# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tools: built once per machine, by one run at a time, and nothing half-built is taken for done."""

from __future__ import annotations

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.tools import TOOLS, ensure_tools, tool_key

GO = """#!/bin/sh
test "$1" = env && echo go1.26.8 && exit
for package; do :; done
echo "$package" >>"$0.log"
echo "$package" >"$GOBIN/crane"
exit $(cat "$0.code" 2>/dev/null || echo 0)
"""


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A go that writes down what it is asked for, first in PATH."""
    program = tmp_path / "bin/go"
    program.parent.mkdir()
    program.write_text(GO)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return program


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def built(go: Path) -> list[str]:
    return go.with_name("go.log").read_text().split()


def test_a_tool_is_built_once_however_many_want_it(go: Path, cache: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _number: ensure_tools(["crane"], cache)["crane"], range(4)))
    assert set(paths) == {cache / "tools" / f"crane-{tool_key('crane')}" / "crane"}
    assert built(go) == [TOOLS["crane"]]


def test_a_failed_build_is_told_and_tried_again(go: Path, cache: Path) -> None:
    go.with_name("go.code").write_text("1")
    with pytest.raises(LabError, match=r"go install .* failed with code 1"):
        ensure_tools(["crane"], cache)
    assert list(cache.glob("tools/*")) == []
    assert list(cache.glob("build-*")) == []
    go.with_name("go.code").unlink()
    assert ensure_tools(["crane"], cache)["crane"].read_text() == f"{TOOLS['crane']}\n"


def test_what_a_killed_build_left_is_removed(go: Path, cache: Path) -> None:
    (cache / "build-tool-crane@killed/half").mkdir(parents=True)
    ensure_tools(["crane"], cache)
    assert list(cache.glob("build-*")) == []


def test_an_unknown_tool_is_refused_with_the_known_ones(cache: Path) -> None:
    with pytest.raises(
        LabError, match=r"no tool is called docker\. There are: conformance, cosign, crane, oras, referrers_registry"
    ):
        ensure_tools(["crane", "docker"], cache)
    assert not cache.exists()


@pytest.mark.parametrize("package", [package for package in TOOLS.values() if package != "."])
def test_versions_are_pinned(package: str) -> None:
    # What has no releases has a version made of the time and the hash of a commit.
    assert re.fullmatch(r"\d+\.\d+\.\d+(-\d{14}-[0-9a-f]{12})?", package.rpartition("@v")[2])


def test_the_command_prints_name_and_path(go: Path, tmp_path: Path) -> None:
    lab = Path(__file__).resolve().parents[3] / "molecule/resources/lab"
    environment = {**os.environ, "AIRLIFT_CACHE": str(tmp_path)}
    said = subprocess.run(
        ["python3", str(lab), "tool", "crane"], check=True, capture_output=True, text=True, env=environment
    )
    path = tmp_path / "airlift-registry/tools" / f"crane-{tool_key('crane')}/crane"
    assert said.stdout == f"crane {path}\n"
    assert built(go) == [TOOLS["crane"]]


def test_a_program_of_the_lab_is_built_where_its_source_is(go: Path, cache: Path) -> None:
    go.write_text(GO.replace("GOBIN/crane", "GOBIN/referrers_registry").replace('"$package" >>', '"$*" >>'))
    ensure_tools(["referrers_registry"], cache)
    directory = Path(__file__).resolve().parents[3] / "molecule/resources/lab/referrers_registry"
    assert built(go)[:3] == ["-C", str(directory), "install"]
    assert (directory / "go.sum").exists()
