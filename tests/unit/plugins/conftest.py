# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of the plugins share: keys, and one small bundle that is whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

BASE, TOP, OTHER = images.layer("base"), images.layer("top"), images.layer("other")
CONTENTS = {"docker.io/library/app:v1": [BASE, TOP], "docker.io/library/tool:v1": [BASE, OTHER]}


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return bundles.make_signer(tmp_path_factory.mktemp("keys"), "release")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return bundles.make_signer(tmp_path_factory.mktemp("keys"), "stranger")


@pytest.fixture(scope="session")
def whole_bundle(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> Path:
    """A bundle of two images that share a layer. Nobody may change it."""
    path = tmp_path_factory.mktemp("bundle") / "whole"
    bundles.make_bundle(path, signer, CONTENTS)
    return path


@pytest.fixture
def bundle_copy(tmp_path: Path, whole_bundle: Path) -> Path:
    """The same bundle, to be changed by a test."""
    return Path(shutil.copytree(whole_bundle, tmp_path / "copy"))
