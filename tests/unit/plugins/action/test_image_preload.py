# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of image_preload: the choice of images, the answer."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle, load_bundle
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._pool import choose_images
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

APP = "docker.io/library/app:v1"


@pytest.fixture
def make(tmp_path: Path, signer: Signer) -> t.Callable[..., Bundle]:
    """Make a bundle of images, each with one layer that has the given text."""

    def make(name: str, **texts: str) -> Bundle:
        contents = {f"docker.io/library/{image}:v1": [images.layer(text)] for image, text in texts.items()}
        bundles.make_bundle(tmp_path / name, signer, contents)
        return load_bundle(str(tmp_path / name), str(signer.allowed_signers), run_program)

    return make


def test_several_bundles_are_taken_together(make: t.Callable[..., Bundle]) -> None:
    first, second = make("first", app="x"), make("second", tool="y", app="x")
    chosen = choose_images([first, second], [])
    assert {image.name: bundle.files.path for image, bundle in chosen.items()} == {
        APP: first.files.path,
        "docker.io/library/tool:v1": second.files.path,
    }
    assert [image.name for image in choose_images([first, second], ["tool:v1"])] == ["docker.io/library/tool:v1"]


def test_two_bundles_must_not_contradict_each_other(make: t.Callable[..., Bundle]) -> None:
    first, second = make("first", app="x"), make("second", app="y")
    with pytest.raises(InputError, match=f"{APP} is another image in {second.files.path} than in {first.files.path}"):
        choose_images([first, second], [])


def test_a_selection_may_leave_out_what_bundles_disagree_about(make: t.Callable[..., Bundle]) -> None:
    first, second = make("first", app="x"), make("second", app="y", tool="z")
    chosen = choose_images([first, second], ["tool:v1"])
    assert [image.name for image in chosen] == ["docker.io/library/tool:v1"]
    with pytest.raises(InputError, match="is another image"):
        choose_images([first, second], ["tool:v1", "app:v1"])


def test_names_what_is_not_there(make: t.Callable[..., Bundle]) -> None:
    with pytest.raises(InputError, match="has no image docker.io/library/tool:v1") as error:
        choose_images([make("first", app="x")], ["tool:v1"])
    assert APP in error.value.next_step


def test_asks_for_a_bundle() -> None:
    with pytest.raises(InputError, match="No bundle was given"):
        choose_images([], [])
