# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which images must be signed by whom. That cosign verifies is tested with the real one, in tests/integration/test_referrers.py."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError, InputError, SignatureError
from ansible_collections.airlift.registry.plugins.module_utils._policy import check_signed, parse_rules
from ansible_collections.airlift.registry.plugins.module_utils._registry import Access
from ansible_collections.airlift.registry.plugins.module_utils._source import parse_wanted

DIGEST = "sha256:" + "a" * 64
NOBODY = Access()


@pytest.fixture
def key(tmp_path: Path) -> str:
    (tmp_path / "team.pub").write_text("a key")
    return str(tmp_path / "team.pub")


class Program:
    """Notes what it is asked to run, and ends like this."""

    def __init__(self, code: int = 0, err: str = "") -> None:
        self.commands: list[list[str]] = []
        self.config: t.Any = None
        self._code = code
        self._err = err

    def __call__(self, args: t.Sequence[str], data: bytes | None) -> tuple[int, str, str]:
        self.commands.append(list(args))
        config = Path(args[1].removeprefix("DOCKER_CONFIG=")) / "config.json"
        self.config = json.loads(config.read_text()) if config.exists() else None
        return self._code, "", self._err


def check(rules: t.Sequence[t.Any], program: Program, scratch: Path, source: str, access: Access = NOBODY) -> None:
    wanted = parse_wanted({"source": source, "name": "team/app:1"}, "linux/amd64")
    filled = [{"key": rule, "images": ["*"]} if isinstance(rule, str) else rule for rule in rules]
    check_signed({wanted: DIGEST}, parse_rules(filled), lambda _location: access, program, str(scratch))


SOURCE = "docker://host.example/app:1"


@pytest.mark.parametrize(
    ("images", "asked"),
    [
        pytest.param(["*"], 1, id="all"),
        pytest.param(["docker.io/team/*"], 1, id="a pattern that fits"),
        pytest.param(["docker.io/else/*", "*/app:1"], 1, id="one of several"),
        pytest.param(["docker.io/else/*"], 0, id="one that does not fit"),
        pytest.param(["team/*"], 0, id="a short name is none"),
        pytest.param([], 0, id="none"),
    ],
)
def test_a_key_is_for_the_names_that_fit(tmp_path: Path, key: str, images: list[str], asked: int) -> None:
    program = Program()
    check([{"key": key, "images": images}], program, tmp_path, SOURCE)
    assert len(program.commands) == asked


def test_cosign_is_asked_for_the_digest_that_is_taken(tmp_path: Path, key: str) -> None:
    program = Program()
    access = Access("ops", "s3cret", "/ca.crt", "/client.cert", "/client.key")
    check([key], program, tmp_path, SOURCE, access)
    (command,) = program.commands
    assert command[2:6] == ["cosign", "verify", "--key", key]
    assert command[-1] == f"host.example/app@{DIGEST}"
    assert command[8:-1] == [
        "json",
        "--registry-cacert",
        "/ca.crt",
        "--registry-client-cert",
        "/client.cert",
        "--registry-client-key",
        "/client.key",
    ]
    assert "s3cret" not in " ".join(command)
    assert list(program.config["auths"]) == ["host.example"]


def test_without_credentials_cosign_has_none(tmp_path: Path, key: str) -> None:
    program = Program()
    check([key], program, tmp_path, SOURCE, Access("ops", "s3cret"))
    check([key], program, tmp_path, SOURCE, Access())
    assert program.config is None


def test_the_error_names_image_and_keys(tmp_path: Path, key: str) -> None:
    (tmp_path / "other.pub").write_text("another key")
    program = Program(10, "WARNING: x\nerror during command execution: no signatures found\n")
    with pytest.raises(SignatureError) as error:
        check([key, str(tmp_path / "other.pub")], program, tmp_path, SOURCE)
    for text in ("docker.io/team/app:1", f"host.example/app@{DIGEST}", key, "other.pub", "no signatures found"):
        assert text in error.value.problem
    assert len(program.commands) == 2


def test_says_that_cosign_is_missing(tmp_path: Path, key: str) -> None:
    with pytest.raises(HostError, match="cosign is not installed"):
        check([key], Program(127), tmp_path, SOURCE)


@pytest.mark.parametrize("source", ["docker-daemon:app:1", "docker-archive:/app.tar"])
def test_an_image_that_can_have_no_signature_is_refused(tmp_path: Path, key: str, source: str) -> None:
    program = Program()
    with pytest.raises(SignatureError, match="keeps no signatures") as error:
        check([key], program, tmp_path, source)
    assert "docker://" in error.value.next_step
    assert program.commands == []


def test_a_key_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"no public key at /nowhere\.pub"):
        parse_rules([{"key": "/nowhere.pub", "images": ["*"]}])
