# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What engines tell of a pull, as they were heard to tell it, and what helps."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._pull import Tally, is_missing, what_helps

BASE, TOP = "sha256:" + "a" * 64, "sha256:" + "b" * 64
LAYERS = {BASE: 100, TOP: 6000}
Event = dict[str, t.Any]


def event(layer: str, status: str, **detail: t.Any) -> Event:
    return {"id": layer[7:19], "status": status, "progressDetail": detail}


def test_says_which_events_are_news() -> None:
    """What is said again is none: an engine that tries again and again says something every second."""
    tally = Tally(LAYERS)
    events = [
        event(TOP, "Downloading", current=10),
        event(TOP, "Downloading", current=10),
        event(TOP, "Retrying in 5 seconds"),
        event(TOP, "Downloading", current=11),
    ]
    assert [tally.note(entry) for entry in events] == [True, False, False, True]


@pytest.mark.parametrize(
    ("events", "count", "is_waiting"),
    [
        pytest.param([], 0, True, id="nothing yet"),
        pytest.param([{"status": "Pulling from app", "id": "host/app@sha256:ab"}, {"status": "Digest: x"}], 0, True, id="of no layer"),
        pytest.param([event(TOP, "Downloading", current=2000, total=6000)], 2000, True, id="half of a layer"),
        pytest.param([event(TOP, "Downloading", current=9000)], 6000, True, id="more than there is"),
        pytest.param(
            [event(TOP, "Downloading", current=2000, total=6000), event(TOP, "Downloading", current=6000, total=6000)], 2000, True,
            id="breaks off, and Docker draws the bar to its end",
        ),
        pytest.param(
            [event(TOP, "Downloading", current=2000, total=6000), event(TOP, "Downloading", current=4000, total=4000)], 2000, True,
            id="breaks off again after it was resumed",
        ),
        pytest.param([event(TOP, "Downloading", current="x"), event(BASE, "Downloading")], 0, True, id="no numbers"),
        pytest.param([event(TOP, "Downloading", current=4000), event(TOP, "Downloading", current=0)], 4000, True, id="begins again"),
        pytest.param([event(BASE, "Already exists"), event(TOP, "Download complete")], 6000, False, id="one was there"),
        pytest.param([event(BASE, "Download complete"), event(TOP, "Pull complete", hidecounts=True)], 6100, False, id="all"),
        pytest.param(
            [event(BASE, "Already exists"), event(TOP, "Download complete"), event("c" * 40, "Download complete")] * 2, 6000, False,
            id="podman, which tells of the config too, and twice",
        ),
        pytest.param(
            [event(BASE, "Verifying Checksum"), event(TOP, "Extracting", current=1, units="s")], 6100, False, id="already unpacking",
        ),
    ],
)  # fmt: skip
def test_counts(events: list[Event], count: int, is_waiting: bool) -> None:
    tally = Tally(LAYERS)
    for entry in events:
        tally.note(entry)
    assert (tally.bytes, tally.is_waiting) == (count, is_waiting)


# As Docker 26.1, Docker 28.5 and 29 with the containerd store, and podman 5.4 said it.
@pytest.mark.parametrize(
    ("problem", "step", "missing"),
    [
        pytest.param('Get "https://h/v2/": tls: failed to verify certificate: x509: signed by unknown authority', "trust", False, id="authority"),
        pytest.param("x509: certificate signed by unknown authority", "trust", False, id="authority, podman"),
        pytest.param("manifest unknown", "Publish", True, id="missing"),
        pytest.param('failed to resolve reference "h/app@sha256:1": h/app@sha256:1: not found', "Publish", True, id="missing, containerd"),
        pytest.param("name unknown: repository name not known to registry", "Publish", True, id="no such repository"),
        pytest.param("pull access denied for h/app, repository does not exist or may require 'docker login'", "Log", False, id="403"),
        pytest.param("unexpected status from HEAD request to https://h/v2/app: 403 Forbidden", "Log", False, id="403, containerd"),
        pytest.param('Get "https://h/v2/app/manifests/sha256:1": no basic auth credentials', "Log", False, id="401"),
        pytest.param("unauthorized: authentication required", "Log", False, id="401, podman"),
        pytest.param("toomanyrequests: slow down", "fewer", False, id="429"),
        pytest.param("unexpected status from HEAD request to https://h/v2/app: 429 Too Many Requests", "fewer", False, id="429, containerd"),
        pytest.param("received unexpected HTTP status: 503 Service Unavailable", "is up", False, id="503"),
        pytest.param("dial tcp 192.0.2.1:443: connect: connection refused", "is up", False, id="down"),
        pytest.param("nothing new came for 60 s", "is up", False, id="silent"),
    ],
)  # fmt: skip
def test_says_what_helps(problem: str, step: str, missing: bool) -> None:
    assert step in what_helps(problem)
    assert is_missing(problem) is missing
