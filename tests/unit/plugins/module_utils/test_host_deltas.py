# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host makes a layer of a staged delta and of what its engine saves; whatever is wrong, nothing false gets a name."""

from __future__ import annotations

import os
import random
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _delta, _host_deltas, _unpack
from ansible_collections.airlift.registry.plugins.module_utils._engine import Engine
from ansible_collections.airlift.registry.plugins.module_utils._errors import DeltaError
from ansible_collections.airlift.registry.plugins.module_utils._staging import Staging
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.support import images
from ansible_collections.airlift.registry.tests.unit.plugins.support.images import Member, tar
from ansible_collections.airlift.registry.tests.unit.plugins.support.servers import EngineState, engine_server

CONTENT = random.Random(3).randbytes(100_000)
OLD, NEW = (tar([Member("data", CONTENT), Member("version", version)]) for version in (b"1", b"2"))
OTHER = tar([Member("data", CONTENT[::-1]), Member("version", b"1")])  # as large as OLD
IMAGE = "sha256:" + "1" * 64


def digest(data: bytes) -> str:
    return f"sha256:{images.sha256(data)}"


BLOB = b"".join(_unpack.compressed([NEW], "gzip"))


@dataclass
class Host:
    """A host with an engine, and in staging the delta from OLD to NEW."""

    state: EngineState
    engine: Engine
    staging: Staging
    task: dict[str, t.Any]

    def restore(self, **changes: t.Any) -> None:
        _host_deltas.restore_layers(self.engine, self.staging, [{**self.task, **changes}], run_program)

    def made(self, data: bytes) -> bytes:
        return Path(self.staging.file_of(digest(data))).read_bytes()

    def names(self) -> list[str]:
        return sorted(os.listdir(self.staging.path))


@pytest.fixture
def host(tmp_path: Path) -> t.Iterator[Host]:
    staging = Staging(str(tmp_path / "staging"))
    os.mkdir(staging.path)
    old, new, patch = (str(tmp_path / name) for name in ("old", "new", "patch"))
    Path(old).write_bytes(OLD)
    Path(new).write_bytes(NEW)
    _delta.encode(old, new, patch, run_program)
    delta = _unpack.digest_of(patch)
    os.rename(patch, staging.file_of(delta))
    task = {
        "blob": delta, "image": IMAGE, "base": digest(OLD), "base_size": len(OLD), "content": digest(NEW),
        "content_size": len(NEW), "restore": "", "result": digest(NEW), "memory": _delta.MEMORY,
    }  # fmt: skip
    state = EngineState(images={}, info={}, archive=tar([Member("a/layer.tar", OTHER), Member("b/layer.tar", OLD)]))
    with engine_server(tmp_path, state) as address:
        yield Host(state, Engine(address, 5), staging, task)


def test_makes_the_content(host: Host) -> None:
    host.restore()
    assert host.made(NEW) == NEW
    assert "work" not in host.names()


def test_makes_the_blob_that_the_manifest_names(host: Host) -> None:
    host.restore(restore="gzip", result=digest(BLOB))
    assert host.made(BLOB) == BLOB
    assert len(host.names()) == 2


def test_what_is_there_is_not_made_again(host: Host) -> None:
    host.restore()
    host.state.archive = b""
    host.restore()
    assert host.made(NEW) == NEW


def test_what_a_killed_run_had_half_done_is_cleared_away(host: Host) -> None:
    os.mkdir(host.staging.work)
    (Path(host.staging.work) / "content").write_bytes(b"half")
    host.restore()
    assert host.made(NEW) == NEW
    assert "work" not in host.names()


WRONG: list[t.Any] = [
    pytest.param({"base": digest(OTHER), "base_size": len(OTHER)}, "What a delta makes of layer .* is not|does not make a layer", id="another base"),
    pytest.param({"base": digest(b"none")}, "has no layer .*, the base of a delta", id="the base is not in the image"),
    pytest.param({"content": digest(OLD)}, "is not sha256:", id="another content"),
    pytest.param({"content_size": 10}, "does not make a layer of 10 bytes", id="more than was announced"),
    pytest.param({"memory": 10_000_000}, "does not make a layer", id="more memory than was announced"),
    pytest.param({"content_size": 1 << 60}, "bytes free, and a layer that is restored", id="more than the disk has"),
    pytest.param({"restore": "gzip"}, "is not sha256:", id="another compression"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "problem"), WRONG)
def test_what_is_not_the_layer_gets_no_name(host: Host, changes: dict[str, t.Any], problem: str) -> None:
    before = host.names()
    with pytest.raises(DeltaError, match=problem):
        host.restore(**changes)
    assert host.names() == before


def test_a_damaged_delta_is_never_applied(host: Host) -> None:
    path = Path(host.staging.file_of(host.task["blob"]))
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(DeltaError, match="arrived damaged"):
        host.restore()
    assert host.names() == []


def cut(state: EngineState) -> None:
    state.cut_archive = True


def remove(state: EngineState) -> None:
    state.broken = "/images/get"


@pytest.mark.parametrize("breaks", [cut, remove])
def test_an_engine_that_does_not_save_is_no_reason_to_fail_for_good(
    host: Host, breaks: t.Callable[[EngineState], None]
) -> None:
    breaks(host.state)
    with pytest.raises(DeltaError):
        host.restore()
    assert len(host.names()) == 1


def fake_program(directory: Path, name: str, code: int) -> str:
    path = directory / "airlift" / "bin" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\nexit {code}\n")
    path.chmod(0o755)
    return str(path)


def test_prefers_the_program_that_was_brought(tmp_path: Path) -> None:
    program = fake_program(tmp_path, "xdelta3", 0)
    assert _host_deltas.find_tool(run_program, program) == program


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_takes_none_that_others_may_write(tmp_path: Path, mode: int) -> None:
    program = fake_program(tmp_path, "xdelta3", 0)
    os.chmod(program, mode)
    assert _host_deltas.find_tool(run_program, program) == "xdelta3"


def test_takes_none_that_does_not_run(tmp_path: Path) -> None:
    assert _host_deltas.find_tool(run_program, fake_program(tmp_path, "xdelta3", 127)) == "xdelta3"
    assert _host_deltas.find_tool(lambda args, data: (127, "", "not found")) == ""


@pytest.mark.parametrize(
    ("text", "memory"),
    [("MemTotal:  100 kB\nMemAvailable:   50 kB\n", 51_200), ("MemTotal:  100 kB\n", 0)],
    ids=["available", "an old kernel"],
)
def test_tells_the_memory_that_is_free(tmp_path: Path, text: str, memory: int) -> None:
    (tmp_path / "meminfo").write_text(text)
    assert _host_deltas.free_memory(str(tmp_path / "meminfo")) == memory
