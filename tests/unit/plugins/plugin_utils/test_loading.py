# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Loading that overlaps sending: one wave at a time, its failure, and what is left to do."""

from __future__ import annotations

import threading

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.airlift.registry.plugins.plugin_utils._loading import Loading
from ansible_collections.airlift.registry.plugins.plugin_utils._survey import Survey
from ansible_collections.airlift.registry.plugins.plugin_utils._waves import LEAST
from ansible_collections.airlift.registry.tests.unit.plugins.plugin_utils.test_waves import digest, image, plan


class Host:
    """Loads when it is told to, in the thread that asks."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.asked: list[list[str]] = []
        self.begun, self.may_end = threading.Event(), threading.Event()
        self._failure = failure

    def __call__(self, found: Survey) -> None:
        self.asked.append([entry["name"] for entry in found.plan["images"]])
        self.begun.set()
        assert self.may_end.wait(10)
        if self._failure:
            raise self._failure


SURVEY = Survey(
    {},
    plan(*(image(name, f"{name}1:send") for name in "abcd"), **{f"{name}1": 2 * LEAST for name in "abcd"}),
    [],
    [],
    {"a:v1": {"bundle": "b"}},
    "/staging",
)


def arrive(loading: Loading, *layers: str) -> None:
    for layer in layers:
        loading.arrived(digest(layer), 2 * LEAST)
        loading.go_on()


def actions(found: Survey) -> list[str]:
    return [entry["action"] for entry in found.plan["images"]]


def test_one_wave_at_a_time_with_all_that_has_come_meanwhile() -> None:
    host = Host()
    loading = Loading(SURVEY, host)
    arrive(loading, "a1")
    assert host.begun.wait(10)
    arrive(loading, "b1", "c1")
    assert host.asked == [["a:v1"]]
    host.may_end.set()
    loading.wait()
    loading.go_on()
    rest = loading.finish()
    assert host.asked == [["a:v1"], ["b:v1", "c:v1"]]
    assert actions(rest) == ["retag", "retag", "retag", "load"]
    assert rest.record == SURVEY.record


def test_a_failure_ends_it() -> None:
    host = Host(ValueError("no"))
    host.may_end.set()
    loading = Loading(SURVEY, host)
    arrive(loading, "a1")
    loading.wait()
    for step in (loading.go_on, loading.finish):
        with pytest.raises(ValueError, match="no"):
            step()
    assert len(host.asked) == 1


def test_a_connection_that_broke_meanwhile_is_no_failure_and_nobody_knows_what_is_loaded() -> None:
    host = Host(AnsibleConnectionFailure("gone"))
    host.may_end.set()
    loading = Loading(SURVEY, host)
    arrive(loading, "a1")
    loading.wait()
    arrive(loading, "b1")
    rest = loading.finish()
    assert (loading.is_lost, len(host.asked), actions(rest)) == (True, 1, ["load"] * 4)


def test_none_is_wanted() -> None:
    loading = Loading(SURVEY, None)
    arrive(loading, "a1", "b1")
    assert actions(loading.finish()) == ["load"] * 4
