# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Encryption at rest, with the real age: who can open it, and what is said when nobody can."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _encryption
from ansible_collections.airlift.registry.plugins.module_utils._errors import (
    AirliftError,
    BundleError,
    HostError,
    InputError,
)
from ansible_collections.airlift.registry.plugins.module_utils._medium import Medium, find_medium
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.support import media
from ansible_collections.airlift.registry.tests.unit.plugins.support.media import Key

CONTENT = os.urandom(300_000)  # more than a pipe holds, and than one chunk of age


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Key]:
    directory = tmp_path_factory.mktemp("keys")
    return {
        "age": media.make_age_key(directory),
        "ed25519": media.make_ssh_key(directory),
        "rsa": media.make_ssh_key(directory, "rsa"),
        "other": media.make_age_key(directory, "other"),
        "passphrase": media.make_ssh_key(directory, "ed25519", "secret"),
        "ecdsa": media.make_ssh_key(directory, "ecdsa"),
    }


@pytest.fixture
def path(tmp_path: Path, keys: dict[str, Key]) -> Path:
    """A file that several may open."""
    plain = tmp_path / "app.tar"
    plain.write_bytes(CONTENT)
    return media.encrypt(plain, *(keys[name] for name in ("age", "ed25519", "rsa", "passphrase")))


def medium_at(path: Path) -> Medium:
    medium = find_medium(str(path))
    assert medium
    assert medium.is_encrypted
    return medium


def opened(medium: Medium, key: Key | str, directory: Path) -> bytes:
    identity = key if isinstance(key, str) else str(key.identity)
    with _encryption.decrypted(medium, identity, str(directory), run_program)() as stream:
        return stream.read()


@pytest.mark.parametrize("name", ["age", "ed25519", "rsa"])
def test_each_recipient_can_open_it_and_nothing_stays(path: Path, keys: dict[str, Key], name: str) -> None:
    assert opened(medium_at(path), keys[name], path.parent) == CONTENT
    assert os.listdir(path.parent) == [path.name]


def test_is_found_by_the_name_of_the_tar_and_in_parts(path: Path, keys: dict[str, Key]) -> None:
    media.split(path, 100_000)
    for name in ("app.tar", "app.tar.age"):
        medium = medium_at(path.with_name(name))
        assert medium.path == str(path)
        assert opened(medium, keys["age"], path.parent) == CONTENT


def test_streams_have_a_position_each(path: Path, keys: dict[str, Key]) -> None:
    opener = _encryption.decrypted(medium_at(path), str(keys["age"].identity), str(path.parent), run_program)
    with opener() as one, opener() as other:
        other.seek(1000)
        assert one.read(10) == CONTENT[:10]
        assert other.read(10) == CONTENT[1000:1010]


def cut(path: Path) -> None:
    os.truncate(path, 200_000)


def cut_at_a_chunk(path: Path) -> None:
    header = path.read_bytes().index(b"\n--- ") + 49
    os.truncate(path, header + 16 + 2 * (65536 + 16))


def cut_in_the_header(path: Path) -> None:
    os.truncate(path, 100)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[250_000] ^= 1
    path.write_bytes(data)


def more(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def same(path: Path) -> None:
    """Nothing is wrong with the file."""


@pytest.mark.parametrize(
    ("damage", "key", "kind", "problem", "step"),
    [
        pytest.param(cut, "age", BundleError, "damaged or cut short", "Copy the bundle again", id="cut short"),
        pytest.param(cut_at_a_chunk, "age", BundleError, "damaged or cut short", "Copy", id="cut between two chunks"),
        pytest.param(cut_in_the_header, "age", BundleError, "damaged or cut short", "Copy", id="cut in the header"),
        pytest.param(flip, "age", BundleError, "damaged or cut short", "Copy", id="flipped bit"),
        pytest.param(more, "age", BundleError, "damaged or cut short", "Copy", id="something appended"),
        pytest.param(same, "other", InputError, "does not open bundle", "for whom it was encrypted", id="key of somebody else"),
        pytest.param(same, "passphrase", InputError, "passphrase", "without a passphrase", id="key with a passphrase"),
        pytest.param(same, "", InputError, "is encrypted", "Set identity", id="no key"),
        pytest.param(same, "/nowhere", InputError, "no private key at /nowhere", "Correct identity", id="key that is not there"),
        pytest.param(same, "/etc/hostname", InputError, "cannot open bundle", "age identity file", id="file that is no key"),
    ],
)  # fmt: skip
def test_says_why_it_cannot_be_opened(
    path: Path, keys: dict[str, Key], damage: t.Callable[[Path], None], key: str, kind: type[AirliftError], problem: str, step: str
) -> None:  # fmt: skip
    damage(path)
    with pytest.raises(kind, match=problem) as error:
        opened(medium_at(path), keys.get(key, key), path.parent)
    assert str(error.value).count(str(path)) >= (key != "/nowhere")
    assert step in error.value.next_step
    assert os.listdir(path.parent) == [path.name]


def test_the_first_decrypts_for_all(path: Path, keys: dict[str, Key], tmp_path_factory: pytest.TempPathFactory) -> None:
    shared, medium = tmp_path_factory.mktemp("shared"), medium_at(path)
    opener = _encryption.decrypted_once(medium, str(keys["age"].identity), str(shared), run_program)
    (plain,) = shared.glob("*.tar")
    assert plain.stat().st_mode & 0o777 == 0o600

    def refuse(_args: t.Sequence[str], _data: bytes | None) -> tuple[int, str, str]:
        raise AssertionError("it is decrypted already")

    again = _encryption.decrypted_once(medium, str(keys["age"].identity), str(shared), refuse)
    with opener() as one, again() as other:
        assert one.read() == other.read() == CONTENT


def test_a_failure_leaves_nothing_for_others(
    path: Path, keys: dict[str, Key], tmp_path_factory: pytest.TempPathFactory
) -> None:
    shared = tmp_path_factory.mktemp("shared")
    cut(path)
    for _attempt in range(2):
        with pytest.raises(BundleError, match="cut short"):
            _encryption.decrypted_once(medium_at(path), str(keys["age"].identity), str(shared), run_program)
    assert [entry.stat().st_size for entry in shared.iterdir()] == [0]  # what they wait for each other with


def test_looks_for_room_first(path: Path, keys: dict[str, Key], monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(path.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=path.stat().st_size - 1))
    with pytest.raises(HostError, match=r"takes 30\d+ bytes in .* and 30\d+ are free") as error:
        opened(medium_at(path), keys["age"], path.parent)
    assert "remote_tmp" in error.value.next_step


def test_a_disk_that_fills_up_is_an_error_of_the_disk(path: Path, keys: dict[str, Key]) -> None:
    with open("/dev/full", "wb") as full, pytest.raises(OSError, match="No space left"):
        _encryption.decrypt(medium_at(path), str(keys["age"].identity), full, run_program)


@pytest.mark.parametrize("name", ["age", "ed25519", "rsa"])
def test_others_can_open_what_is_encrypted_here(tmp_path: Path, keys: dict[str, Key], name: str) -> None:
    with open(tmp_path / "app.tar.age", "wb") as target:
        recipients = [keys["other"].recipient, keys[name].recipient]
        _encryption.encrypt(lambda stream: t.cast(None, stream.write(CONTENT)), target, recipients, run_program)
    command = ["age", "--decrypt", "-i", str(keys[name].identity), str(tmp_path / "app.tar.age")]
    assert subprocess.run(command, check=True, capture_output=True).stdout == CONTENT


@pytest.mark.parametrize(
    "recipient", ["", "me@example.com", "age1qqq\n-i /etc/shadow", "AGE-SECRET-KEY-1QQQ", "github:somebody"]
)
def test_refuses_what_is_no_recipient(recipient: str) -> None:
    with pytest.raises(InputError, match="no public key that age encrypts to"):
        _encryption.check_recipients([recipient])


def test_refuses_keys_that_age_does_not_know(keys: dict[str, Key]) -> None:
    with pytest.raises(InputError, match="'ecdsa-sha2-nistp256"):
        _encryption.check_recipients([keys["ecdsa"].recipient])


def test_what_age_refuses_is_said(keys: dict[str, Key]) -> None:
    with pytest.raises(InputError, match="age did not encrypt: .*malformed recipient at line 1"):
        _encryption.encrypt(lambda stream: None, io.BytesIO(), [keys["age"].recipient[:-1]], run_program)


def test_a_source_that_fails_is_no_success(keys: dict[str, Key]) -> None:
    """age would take what it was given so far for the whole."""

    def feed(stream: t.BinaryIO) -> None:
        stream.write(CONTENT)
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        _encryption.encrypt(feed, io.BytesIO(), [keys["age"].recipient], run_program)


def test_says_that_age_is_not_installed(path: Path, keys: dict[str, Key], tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sh").symlink_to("/bin/sh")

    def run_without(args: t.Sequence[str], data: bytes | None) -> tuple[int, str, str]:
        return run_program(["env", f"PATH={tmp_path}/bin", *args], data)

    for work in (
        lambda: _encryption.decrypt(medium_at(path), str(keys["age"].identity), io.BytesIO(), run_without),
        lambda: _encryption.encrypt(lambda stream: t.cast(None, stream.write(CONTENT)), io.BytesIO(), [keys["age"].recipient], run_without),
    ):  # fmt: skip
        with pytest.raises(HostError, match="age is not installed") as error:
            work()
        assert "package age" in error.value.next_step
