# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role certificates on the controller: which certificates a further run makes anew, and that the others stay as they are."""

from __future__ import annotations

import datetime
import shutil
import typing as t
from pathlib import Path

import pytest
from cryptography import x509

from ansible_collections.airlift.registry.tests.integration.support.play import Ansible

FILES = {"ca", "server", "load-balancer", "node-one", "node-two"}
ONE, TWO = {"name": "one", "address": "192.0.2.11"}, {"name": "two", "address": "192.0.2.12"}
VARIABLES = {"certificates_fqdn": "registry.example.com", "certificates_nodes": [ONE, TWO]}
# They were made for a few days; what is asked for later is a year, and not less than a month left.
FEW_DAYS = {"certificates_valid_days": 10, "certificates_renew_days": 3}
A_YEAR = {"certificates_valid_days": 365, "certificates_renew_days": 30}


def apply(directory: Path, **variables: t.Any) -> None:
    """Run the role with its certificates in a directory."""
    inventory = directory / "inventory.yml"
    inventory.write_text("all: {hosts: {localhost: {}}}\n")
    (directory / "plays").mkdir(exist_ok=True)
    role = {
        "ansible.builtin.include_role": {"name": "airlift.registry.certificates"},
        "vars": {**VARIABLES, "certificates_path": str(directory / "certificates"), **variables},
    }
    results = Ansible(inventory, directory / "plays").play("localhost", [role])
    assert [result for task in results for result in task.values() if result.get("failed")] == []


def certificates(directory: Path) -> dict[str, x509.Certificate]:
    paths = (directory / "certificates").glob("*.crt")
    return {path.stem: x509.load_pem_x509_certificate(path.read_bytes()) for path in paths if path.stem in FILES}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certificates")
    apply(directory, **FEW_DAYS)
    assert certificates(directory).keys() == FILES
    return directory


CASES: list[t.Any] = [
    pytest.param((), FEW_DAYS, set(), id="nothing is to be done"),
    pytest.param((), A_YEAR, FILES - {"ca"}, id="few days are left"),
    # Each half a minute, for what seldom happens.
    pytest.param(("server.crt",), {**FEW_DAYS, "certificates_nodes": [ONE, {**TWO, "address": "192.0.2.13"}]}, {"server", "node-two"}, marks=pytest.mark.slow, id="one is lost, another has a new address"),
    pytest.param((), {**FEW_DAYS, "certificates_addresses": ["192.0.2.250"]}, {"server"}, marks=pytest.mark.slow, id="another name"),
    pytest.param(("ca.key", "ca.crt"), FEW_DAYS, FILES, marks=pytest.mark.slow, id="another authority"),
]  # fmt: skip


@pytest.mark.parametrize(("lost", "variables", "renewed"), CASES)
def test_a_further_run_makes_anew(
    made: Path, tmp_path: Path, lost: tuple[str, ...], variables: dict[str, t.Any], renewed: set[str]
) -> None:
    directory = tmp_path / "copy"
    shutil.copytree(made, directory)
    before = certificates(directory)
    for name in lost:
        (directory / "certificates" / name).unlink()
    apply(directory, **variables)
    after = certificates(directory)
    assert {name for name in FILES if after[name].serial_number != before[name].serial_number} == renewed
    assert (directory / "certificates/server-ca.crt").read_bytes() == (directory / "certificates/ca.crt").read_bytes()
    left = datetime.timedelta(days=variables["certificates_valid_days"] - 1)
    for name in renewed - {"ca"}:
        after[name].verify_directly_issued_by(after["ca"])
        assert after[name].not_valid_after_utc > datetime.datetime.now(datetime.UTC) + left
