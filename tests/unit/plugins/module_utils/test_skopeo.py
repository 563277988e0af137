# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How skopeo is called, and what its failures mean."""

from __future__ import annotations

import base64
import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError, RegistryError
from ansible_collections.airlift.registry.plugins.module_utils._skopeo import Skopeo, guarded, write_authfile
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program


class Program:
    """Stands for skopeo: notes the command line and gives one answer."""

    def __init__(self, code: int = 0, out: str = "", err: str = "") -> None:
        self.answer = (code, out, err)
        self.calls: list[list[str]] = []

    def __call__(self, args: t.Sequence[str], _data: bytes | None) -> tuple[int, str, str]:
        self.calls.append(list(args))
        return self.answer


def test_a_manifest_keeps_its_bytes() -> None:
    program = Program(out='{"schemaVersion": 2}\n')
    assert Skopeo(program).manifest("registry.example.com/app:1") == b'{"schemaVersion": 2}\n'


def test_pulls_into_shared_blobs(tmp_path: Path) -> None:
    program = Program()
    Skopeo(program, "/run/auth.json", "/etc/certs").pull("host/app:1", 7, str(tmp_path / "blobs"))
    (call,) = program.calls
    assert call[call.index("--dest-shared-blob-dir") + 1] == str(tmp_path / "blobs")
    assert call[-2] == "docker://host/app:1"
    assert call[-1].startswith(f"oci:{tmp_path}/")
    assert call[call.index("--authfile") + 1] == "/run/auth.json"
    assert call[call.index("--src-cert-dir") + 1] == "/etc/certs"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("script", "code", "err"),
    [
        pytest.param("echo out; exit 3", 3, "", id="the program's own exit code"),
        pytest.param("exec nothing-of-this-name", 127, "not found", id="no program"),
        pytest.param("exec sleep 60", 143, "", id="a program that does nothing"),
        pytest.param("yes > $0/big", 1, "File too large", id="a file that grows without end"),
    ],
)
def test_the_guard(tmp_path: Path, script: str, code: int, err: str) -> None:
    command = ["sh", "-c", f"trap '' XFSZ; {script}", str(tmp_path)]
    found = run_program(guarded(command, str(tmp_path), 65536, 1), None)
    assert found[0] == code, found
    assert err in found[2]
    assert all(path.stat().st_size <= 65536 + 512 for path in tmp_path.iterdir())


def test_the_guard_lets_work_what_makes_progress(tmp_path: Path) -> None:
    script = "for n in 1 2 3 4 5 6 7 8; do echo $n >> $0/f; sleep 0.4; done; echo done"
    assert run_program(guarded(["sh", "-c", script, str(tmp_path)], str(tmp_path), 65536, 2), None)[:2] == (0, "done\n")


def test_pushes_without_changing_a_digest() -> None:
    program = Program()
    Skopeo(program, cert_dir="/etc/certs").push("/srv/image", "host/app:1")
    (call,) = program.calls
    assert "--preserve-digests" in call
    assert call[call.index("--dest-cert-dir") + 1] == "/etc/certs"
    assert call[-2:] == ["dir:/srv/image", "docker://host/app:1"]


@pytest.mark.parametrize(
    ("err", "hint"),
    [
        pytest.param("reading manifest v9 in host/app: manifest unknown", "list-tags", id="no such tag"),
        pytest.param("unauthorized: authentication required", "skopeo login", id="not logged in"),
        pytest.param(
            "tls: failed to verify certificate: x509: signed by unknown authority", "certs.d", id="unknown CA"
        ),
        pytest.param("dial tcp: lookup host: no such host", "DNS", id="no such name"),
        pytest.param("something else", "reaches the registry", id="anything else"),
    ],
)
def test_a_failure_names_the_image_and_the_next_step(err: str, hint: str) -> None:
    program = Program(1, err=f'time="now" level=info\ntime="now" level=fatal msg="{err}"\n')
    with pytest.raises(RegistryError, match="docker://host/app:1") as error:
        Skopeo(program).manifest("host/app:1")
    assert err in error.value.problem
    assert hint in error.value.next_step


def test_says_that_skopeo_is_missing() -> None:
    with pytest.raises(HostError, match="skopeo is not installed"):
        Skopeo(Program(127, err="No such file or directory")).manifest("host/app:1")


def test_credentials_are_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    old_umask = os.umask(0)
    try:
        write_authfile(str(path), "registry.example.com", "ops", "s3cret:ü")
    finally:
        os.umask(old_umask)
    assert path.stat().st_mode & 0o777 == 0o600
    secret = json.loads(path.read_text())["auths"]["registry.example.com"]["auth"]
    assert base64.b64decode(secret).decode() == "ops:s3cret:ü"


def test_credentials_are_never_written_where_somebody_waits_for_them(tmp_path: Path) -> None:
    (tmp_path / "auth.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_authfile(str(tmp_path / "auth.json"), "registry.example.com", "ops", "s3cret")
