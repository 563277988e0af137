# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images of both bundles are on hosts that never could have pulled them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from testinfra.host import Host

FILES = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".cache" / "molecule" / "default"
IMAGES = {"app v1": "airlift-lab/app:v1", "app v2": "airlift-lab/app:v2"}


def config_of_v2() -> str:
    """The image ID that the lock of the second bundle promises."""
    lock = yaml.safe_load((FILES / "second" / "bundle.lock.yml").read_text())
    return str(lock["images"][0]["config"])


def test_host_has_no_way_out(host: Host) -> None:
    assert host.check_output("ip route show default") == ""


@pytest.mark.parametrize("says", IMAGES)
def test_image_runs(host: Host, says: str) -> None:
    with host.sudo():
        assert host.check_output(f"docker run --rm {IMAGES[says]}") == says


def test_image_is_the_one_of_the_bundle(host: Host) -> None:
    with host.sudo():
        assert host.check_output("docker image inspect --format '{{.Id}}' airlift-lab/app:v2") == config_of_v2()


def test_nothing_is_left_in_staging(host: Host) -> None:
    with host.sudo():
        assert not host.file("/var/lib/airlift/staging").exists


def test_no_temporary_name_is_left(host: Host) -> None:
    with host.sudo():
        assert "airlift.invalid" not in host.check_output("docker images")


def test_report_of_the_second_run_says_that_nothing_was_sent(host: Host) -> None:
    report = json.loads((FILES / "report" / f"{host.check_output('hostname')}.json").read_text())
    assert (report["changed"], report["bytes_sent"], report["bytes"]["send"]) == (False, 0, 0)
    assert [image["action"] for image in report["images"]] == ["present", "present"]
