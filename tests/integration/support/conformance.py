# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The conformance suite of the OCI distribution specification, and what it found."""

from __future__ import annotations

import collections
import os
import subprocess
from pathlib import Path
from xml.etree import ElementTree

# How often a test ended so, by its name and its result: some have several images of one name, and Go walks through them in any order.
Rows = collections.Counter[tuple[str, str]]


def conformance(program: Path, directory: Path, trusted: str = "", **settings: str) -> Rows:
    """Run the suite with settings (C(registry) is HOST:PORT; its README names the others), which trusts the authority in the file I(trusted).

    A result is passed, skipped or failure.
    """
    directory.mkdir()
    environment = {f"OCI_{name.upper()}": value for name, value in settings.items()}
    # Its own tls=insecure does not go without an authority.
    environment["SSL_CERT_FILE"] = trusted
    # It ends with an error when a test has failed, and then has results all the same.
    said = subprocess.run(
        [program],
        cwd=directory, env={**os.environ, **environment, "OCI_RESULTS_DIR": str(directory)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    report = directory / "junit.xml"
    assert report.exists(), f"{said.stdout[-3000:]}\n{said.stderr[-3000:]}"
    cases = ElementTree.parse(report).iter("testcase")
    return collections.Counter((case.attrib["name"], case.attrib["status"]) for case in cases)
