# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bundle that is bad, or a layer that came damaged: refused in words, and it never reaches an engine."""

from __future__ import annotations

import os
import shutil
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.conftest import TINY
from ansible_collections.airlift.registry.tests.integration.support.faults import (
    assert_converges,
    assert_refused,
    config_id,
    layer_blob,
    trusting,
)
from ansible_collections.airlift.registry.tests.integration.support.lab import STAGING, Lab, State
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result, task
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer, flip

HOST = "fleet1"


def config_blob(bundle: Path) -> Path:
    return bundle / "blobs/sha256" / config_id(bundle)[7:]


def put_symlink(bundle: Path) -> None:
    (bundle / "index.json").rename(bundle.with_suffix(".index"))
    (bundle / "index.json").symlink_to(bundle.with_suffix(".index"))


BUNDLE_FAULTS = [
    pytest.param(lambda path: flip(path / "index.json"), "index.json", "again", id="flipped byte in the index"),
    pytest.param(lambda path: flip(config_blob(path)), f"config of {TINY}", "again", id="flipped byte in a config"),
    pytest.param(lambda path: flip(path / "SHA256SUMS.sig"), "sign", "", id="flipped byte in the signature"),
    pytest.param(lambda path: (path / "SHA256SUMS.sig").unlink(), "is not signed", "signing_key", id="no signature"),
    pytest.param(put_symlink, "index.json", "another copy", id="symlink"),
    pytest.param(
        lambda path: os.truncate(layer_blob(path, 1), 20), f"of {TINY} is missing", "again", id="layer cut short"
    ),
    pytest.param(shutil.rmtree, "There is no bundle at", "Check the path", id="no bundle"),
]
MORE_FAULTS = [
    "tar cut short",
    "path that leaves its directory",
    "signed by a stranger",
    "no such image",
    "bad reference",
]


@pytest.fixture(scope="module")
def bundle_faults(
    lab: Lab, ansible: Ansible, tiny: Path, signer: Signer, stranger: Signer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Result], State, State, Result]:
    """All of these faults in one run, then a plain one; what each said, and the host before and after the faults."""
    directory = tmp_path_factory.mktemp("faults")
    arguments: dict[str, dict[str, t.Any]] = {}
    for number, parameter in enumerate(BUNDLE_FAULTS):
        copy = Path(shutil.copytree(tiny, directory / f"bundle{number}"))
        change = t.cast(t.Callable[[Path], None], parameter.values[0])
        change(copy)
        arguments[str(parameter.id)] = trusting(signer, copy)
    bundles.make_bundle(directory / "cut.tar", signer, {TINY: [images.layer("base"), images.layer("top")]})
    os.truncate(directory / "cut.tar", 9000)
    (directory / "evil.tar").write_bytes(images.tar([images.Member("../../etc/cron.d/evil", b"x")]))
    arguments["tar cut short"] = trusting(signer, directory / "cut.tar")
    arguments["path that leaves its directory"] = trusting(signer, directory / "evil.tar")
    arguments["signed by a stranger"] = trusting(stranger, tiny)
    arguments["no such image"] = trusting(signer, tiny, images=["other:v1"])
    arguments["bad reference"] = trusting(signer, tiny, images=["../app"])
    lab.clean(HOST)
    before = lab.look(HOST)
    results = [run[HOST] for run in ansible.play(HOST, [task("image_preload", entry) for entry in arguments.values()])]
    after = lab.look(HOST)
    return (
        dict(zip(arguments, results, strict=True)),
        before,
        after,
        assert_converges(lab, ansible, HOST, trusting(signer, tiny)),
    )


@pytest.mark.parametrize(
    ("fault", "problem", "next_step"),
    [
        *(pytest.param(str(entry.id), *entry.values[1:], id=str(entry.id)) for entry in BUNDLE_FAULTS),
        *(
            pytest.param(fault, problem, next_step, id=fault)
            for fault, (problem, next_step) in zip(
                MORE_FAULTS,
                [
                    ("cut.tar", "again"),
                    ("'../../etc/cron.d/evil'", "Don't use it"),
                    ("is signed by nobody in", "public key"),
                    ("has no image docker.io/library/other:v1", f"It has {TINY}"),
                    ("'../app' cannot be used", "registry.example.com/team/app:1.0"),
                ],
                strict=True,
            )
        ),
    ],
)
def test_a_bad_bundle_never_reaches_a_host(
    bundle_faults: tuple[dict[str, Result], State, State, Result], fault: str, problem: str, next_step: str
) -> None:
    results, before, after, plain = bundle_faults
    assert_refused(results[fault], HOST, problem, next_step)
    assert after == before == State((), ())
    assert plain["changed"] is True


def test_a_flipped_byte_in_a_layer_never_reaches_the_engine(
    lab: Lab, ansible: Ansible, host: str, tiny: Path, signer: Signer, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(tiny, tmp_path / "copy"))
    blob = layer_blob(copy, 1)
    flip(blob)
    refused = ansible.preload(host, trusting(signer, copy))
    assert_refused(refused, host, f"{blob.name}, a layer of {TINY}, arrived damaged", "bundle_verify")
    assert lab.look(host).images == ()
    verified = ansible.local("bundle_verify", {"path": str(copy), "allowed_signers": str(signer.allowed_signers)})
    assert f"{blob.name} in bundle {copy} is damaged" in verified["problems"][0]
    assert_converges(lab, ansible, host, trusting(signer, tiny))


def test_a_layer_that_was_flipped_in_staging(
    lab: Lab, ansible: Ansible, host: str, tiny: Path, tiny_arguments: dict[str, t.Any]
) -> None:
    blob = layer_blob(tiny, 0)
    lab.run(host, f"mkdir -p {STAGING} && head -c {blob.stat().st_size} /dev/zero > {STAGING}/{blob.name}")
    assert_refused(
        ansible.preload(host, tiny_arguments),
        host,
        f"{STAGING}/{blob.name}, a layer of {TINY}",
        "next run sends it again",
    )
    assert lab.look(host).images == ()
    assert_converges(lab, ansible, host, tiny_arguments)
