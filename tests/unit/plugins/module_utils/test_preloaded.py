# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of what was preloaded: whole or not at all, private, and believed only when it is one."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _preloaded
from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError

DOCKER, PODMAN = "unix:///var/run/docker.sock", "unix:///run/podman/podman.sock"


def entry(day: int) -> dict[str, str]:
    return {
        "digest": "sha256:d",
        "bundle": "sha256:b",
        "bundle_name": "b.tar",
        "created": f"2026-11-{day:02}T00:00:00Z",
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "airlift" / "preloaded.json"


def test_keeps_what_was_noted_for_each_engine(path: Path) -> None:
    assert _preloaded.read_preloaded(str(path), DOCKER) == {}
    _preloaded.note_preloaded(str(path), DOCKER, {"app": entry(1), "tool": entry(1)})
    _preloaded.note_preloaded(str(path), PODMAN, {"app": entry(2)})
    _preloaded.note_preloaded(str(path), DOCKER, {"app": entry(3)})
    assert _preloaded.read_preloaded(str(path), DOCKER) == {"app": entry(3), "tool": entry(1)}
    assert _preloaded.read_preloaded(str(path), PODMAN) == {"app": entry(2)}


def test_is_private_and_alone(path: Path) -> None:
    _preloaded.note_preloaded(str(path), DOCKER, {"app": entry(1)})
    assert [stat.S_IMODE(found.stat().st_mode) for found in (path.parent, path)] == [0o700, 0o600]
    assert os.listdir(path.parent) == [path.name]


def test_an_error_leaves_the_old_record(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    _preloaded.note_preloaded(str(path), DOCKER, {"app": entry(1)})
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        _preloaded.note_preloaded(str(path), DOCKER, {"app": entry(2)})
    assert _preloaded.read_preloaded(str(path), DOCKER) == {"app": entry(1)}
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"version": 2, "engines": {}}', b'{"version": 1}', b'{"version": 1, "engines": []}',
        b'{"version": 1, "engines": {"e": []}}', b'{"version": 1, "engines": {"e": {"app": "x"}}}',
        json.dumps({"version": 1, "engines": {"e": {"app": {**entry(1), "created": 5}}}}).encode(),
        json.dumps({"version": 1, "engines": {"e": {"app": {"digest": "sha256:d"}}}}).encode(),
        b" " * (16 * 1024 * 1024 + 1),
    ],
    ids=lambda content: f"{content[:45]!r}",
)  # fmt: skip
def test_what_is_no_record_is_named(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(HostError, match="is no record of what was preloaded") as error:
        _preloaded.read_preloaded(str(path), DOCKER)
    assert str(path) in error.value.problem
    with pytest.raises(HostError):
        _preloaded.note_preloaded(str(path), DOCKER, {"app": entry(1)})
    assert path.read_bytes() == content


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    (tmp_path / "elsewhere").write_text(json.dumps({"version": 1, "engines": {}}))
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        _preloaded.read_preloaded(str(path), DOCKER)


def test_says_whether_it_could_be_written(path: Path) -> None:
    assert _preloaded.is_writable(str(path))
    path.parent.write_text("a file where the directory would be")
    assert not _preloaded.is_writable(str(path))
