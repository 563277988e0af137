# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signatures, by the real ssh-keygen: who signed, and what is refused."""

from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _signature
from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError, InputError, SignatureError
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

MESSAGE = b"abc  index.json\n"


def signed(directory: Path, key: Path, namespace: str = "airlift-bundle", message: bytes = MESSAGE) -> bytes:
    path = directory / "message"
    path.write_bytes(message)
    (directory / "message.sig").unlink(missing_ok=True)
    subprocess.run(
        ["ssh-keygen", "-Y", "sign", "-q", "-n", namespace, "-f", key, path], check=True, stdin=subprocess.DEVNULL
    )
    return (directory / "message.sig").read_bytes()


def verify(signature: bytes, allowed_signers: Path, message: bytes = MESSAGE, run: _signature.Run = run_program) -> str:
    return _signature.verify(message, signature, str(allowed_signers), "Bundle /srv/b.tar", run)


def test_signs_and_says_who_signed(tmp_path: Path, signer: Signer) -> None:
    path = tmp_path / "SHA256SUMS"
    path.write_bytes(MESSAGE)
    _signature.sign(str(path), str(signer.key), run_program)
    assert verify((tmp_path / "SHA256SUMS.sig").read_bytes(), signer.allowed_signers) == "release@example.com"


def test_one_file_may_trust_several(tmp_path: Path, signer: Signer, stranger: Signer) -> None:
    both = tmp_path / "both"
    both.write_text(stranger.allowed_signers.read_text() + "# a comment\n\n" + signer.allowed_signers.read_text())
    assert verify(signed(tmp_path, signer.key), both) == "release@example.com"


@pytest.mark.parametrize("kind", [["-t", "rsa", "-b", "2048"], ["-t", "ecdsa"]], ids=["RSA", "ECDSA"])
def test_takes_other_kinds_of_keys(tmp_path: Path, kind: list[str]) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", *kind, "-N", "", "-f", key], check=True)
    allowed = tmp_path / "allowed"
    allowed.write_text(f"other {key.with_suffix('.pub').read_text()}")
    assert verify(signed(tmp_path, key), allowed) == "other"


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        pytest.param(
            lambda path, _signer, stranger: signed(path, stranger.key), "signed by nobody", id="by a stranger"
        ),
        pytest.param(
            lambda path, signer, _s: signed(path, signer.key, "git"), "signature .* is wrong", id="for something else"
        ),
        pytest.param(
            lambda path, signer, _s: signed(path, signer.key, message=b"x"), "signature .* is wrong", id="of other text"
        ),
        pytest.param(lambda _path, _signer, _s: b"", "signed by nobody", id="empty"),
        pytest.param(lambda _path, _signer, _s: b"\xff" * 300, "signed by nobody", id="noise"),
        pytest.param(lambda path, signer, _s: signed(path, signer.key)[:-80], "signed by nobody", id="cut short"),
    ],
)
def test_refuses_a_signature(
    tmp_path: Path, signer: Signer, stranger: Signer, make: t.Callable[[Path, Signer, Signer], bytes], problem: str
) -> None:
    with pytest.raises(SignatureError, match=problem) as error:
        verify(make(tmp_path, signer, stranger), signer.allowed_signers)
    assert "Bundle /srv/b.tar" in error.value.problem


def test_refuses_a_key_that_is_trusted_for_other_things_only(tmp_path: Path, signer: Signer) -> None:
    with pytest.raises(SignatureError, match="not permitted for use"):
        verify(signed(tmp_path, signer.key), signer.trusted_by('release@example.com namespaces="git"'))


@pytest.mark.parametrize(
    ("validity", "problem"),
    [
        pytest.param('valid-before="20200101"', "key has expired", id="the past"),
        pytest.param('valid-after="20990101"', "key is not yet valid", id="the future"),
    ],
)
def test_says_that_a_key_is_trusted_at_another_time(
    tmp_path: Path, signer: Signer, validity: str, problem: str
) -> None:
    """It may be the clock that is wrong."""
    with pytest.raises(SignatureError, match=f"Bundle /srv/b.tar .* not valid at this time .*{problem}") as error:
        verify(signed(tmp_path, signer.key), signer.trusted_by(f"release@example.com {validity}"))
    assert "clock" in error.value.next_step


def test_a_key_that_is_trusted_anew_takes_the_place_of_one_that_was(tmp_path: Path, signer: Signer) -> None:
    """The same key, in a line that has expired and in one that has not."""
    both = tmp_path / "both"
    expired = signer.trusted_by('old@example.com valid-before="20200101"')
    both.write_text(expired.read_text() + signer.allowed_signers.read_text())
    assert verify(signed(tmp_path, signer.key), both) == "release@example.com"


def test_says_that_there_is_no_allowed_signers_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no allowed_signers file at /nowhere") as error:
        verify(b"", Path("/nowhere"))
    assert 'namespaces="airlift-bundle"' in error.value.next_step


def test_says_that_there_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no signing key at /nowhere") as error:
        _signature.sign(str(tmp_path / "x"), "/nowhere", run_program)
    assert "ssh-keygen -t ed25519" in error.value.next_step


def test_says_that_a_key_is_none(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("no key")
    (tmp_path / "x").write_text("x")
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(InputError, match="could not sign with"):
        _signature.sign(str(tmp_path / "x"), str(tmp_path / "key"), run_program)


def test_says_that_ssh_keygen_is_missing(signer: Signer) -> None:
    def run(_args: t.Sequence[str], _data: bytes | None) -> tuple[int, str, str]:
        return run_program(["/nowhere/ssh-keygen"], b"")

    with pytest.raises(HostError, match="ssh-keygen is not installed"):
        verify(b"", signer.allowed_signers, run=run)
