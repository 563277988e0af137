# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""load_balancer_state against a socket that speaks HAProxy's runtime API: to the state that is asked for, and what is said when that cannot be."""

from __future__ import annotations

import socketserver
import typing as t
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _haproxy
from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError
from ansible_collections.airlift.registry.plugins.modules.load_balancer_state import Balancer
from ansible_collections.airlift.registry.tests.unit.plugins.support.servers import UnixServer, serving

RUNNING, STOPPED, DRAINED = 2, 0, 0x08
HEADER = "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state"
Bring = t.Callable[..., dict[str, t.Any]]


@dataclass
class State:
    """A HAProxy: of each registry whether it runs, its administrative state and what it does; and the gate."""

    gate: Path
    running: dict[str, int] = field(default_factory=lambda: {"registry1": RUNNING, "registry2": RUNNING})
    admin: dict[str, int] = field(default_factory=lambda: {"registry1": 0, "registry2": 0})
    busy: dict[str, list[int]] = field(
        default_factory=dict
    )  # what is told at one look after the other; the last one stays
    closed: bool = False
    orders: list[str] = field(default_factory=list)

    def answer(self, command: str) -> str:
        if command.startswith("show servers state"):
            rows = [
                f"4 registries_read 1 {name} 192.0.2.1 {self.running[name]} {self.admin[name]}" for name in self.running
            ]
            return "\n".join(["1", HEADER, *rows])
        if command == "show stat":
            rows = [f"registries_read,{name},{self._look(name)},0" for name in self.running]
            rows += [f"registries_write,{name},0,0" for name in self.running]
            rows.append(f"registries_write,BACKEND,{self._look('BACKEND')},0")
            return "\n".join(["# pxname,svname,scur,", *rows])
        if command == f"show acl {self.gate}":
            return "0x1 closed" if self.closed else ""
        self.orders.append(command)
        return self._obey(command.split())

    def _look(self, name: str) -> int:
        looks = self.busy.get(name, [0])
        return looks.pop(0) if len(looks) > 1 else looks[0]

    def _obey(self, words: list[str]) -> str:
        if words[0] == "set":
            self.admin[words[2].partition("/")[2]] = DRAINED if words[-1] == "drain" else 0
        elif words[:3] in (["add", "acl", str(self.gate)], ["clear", "acl", str(self.gate)]):
            self.closed = words[0] == "add"
        else:
            return f"Unknown command: {words[0]}"
        return ""


class Handler(socketserver.StreamRequestHandler):
    state: State

    def handle(self) -> None:
        self.wfile.write(f"{self.state.answer(self.rfile.readline().decode().strip())}\n\n".encode())


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "gate.acl")


@pytest.fixture
def bring(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Bring]:
    monkeypatch.setattr(_haproxy, "_PAUSE", 0.001)
    path = str(tmp_path / "socket")

    def bring(check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        params = {
            "registry": "", "registry_state": "ready", "writes": None, "wait_seconds": 1, "socket": path, "gate": str(state.gate), **options,
        }  # fmt: skip
        return Balancer(t.cast(t.Any, SimpleNamespace(params=params, check_mode=check_mode))).bring()

    with serving(UnixServer(path, type("BoundHandler", (Handler,), {"state": state}))):
        yield bring


def test_a_registry_is_drained_and_comes_back(bring: Bring, state: State) -> None:
    drain = {"registry": "registry1", "registry_state": "drained"}
    assert bring(True, **drain)["changes"] == ["registry1: drained"]
    assert state.orders == []
    state.busy["registry1"] = [3, 1, 0]
    assert bring(**drain)["changes"] == ["registry1: drained"]
    assert state.busy["registry1"] == [0]
    assert bring(**drain)["changes"] == []
    assert bring(registry="registry1")["changes"] == ["registry1: ready"]
    assert bring(registry="registry1")["changed"] is False
    backends = ("registries_read", "registries_write")
    assert state.orders == [
        f"set server {each}/registry1 state {word}" for word in ("drain", "ready") for each in backends
    ]


def test_the_gate_is_closed_and_opened(bring: Bring, state: State) -> None:
    assert bring(True, writes="closed")["changes"] == ["writes: closed"]
    assert (state.orders, state.gate.exists()) == ([], False)
    state.busy["BACKEND"] = [1, 0]
    assert bring(writes="closed")["changes"] == ["writes: closed"]
    assert (state.closed, state.gate.read_text(), state.gate.stat().st_mode & 0o777) == (True, "closed\n", 0o600)
    assert bring(writes="closed")["changed"] is False
    assert bring(writes="open")["changes"] == ["writes: open"]
    assert (state.closed, state.gate.exists()) == (False, False)
    assert bring(writes="open")["changed"] is False


@pytest.mark.parametrize("runs", [True, False], ids=["HAProxy has it closed", "the file has it closed"])
def test_a_gate_that_is_half_closed_is_closed_whole(bring: Bring, state: State, runs: bool) -> None:
    state.closed = runs
    if not runs:
        state.gate.write_text("closed\n")
    assert bring(writes="closed")["changed"] is True
    assert (state.closed, state.gate.read_text()) == (True, "closed\n")


@pytest.mark.parametrize(
    ("change", "options", "problem"),
    [
        ({}, {"registry": "registry9"}, "knows no registry registry9, but registry1, registry2"),
        ({"running": {"registry1": RUNNING, "registry2": STOPPED}}, {"registry": "registry1", "registry_state": "drained"}, "Without registry1 there is no"),
        ({"admin": {"registry1": 0, "registry2": DRAINED}}, {"registry": "registry1", "registry_state": "drained"}, "Without registry1 there is no"),
        ({"busy": {"registry1": [2]}}, {"registry": "registry1", "registry_state": "drained", "wait_seconds": 0}, "2 requests to registry1 are still in flight after 0 s"),
        ({"busy": {"BACKEND": [1]}}, {"writes": "closed", "wait_seconds": 0}, "1 requests that write are still in flight"),
    ],
    ids=["unknown", "the other one is dead", "the other one is drained", "pulls that go on", "uploads that go on"],
)  # fmt: skip
def test_what_cannot_be(
    bring: Bring, state: State, change: dict[str, t.Any], options: dict[str, t.Any], problem: str
) -> None:
    for name, value in change.items():
        setattr(state, name, value)
    with pytest.raises(AirliftError, match=problem):
        bring(**options)


def test_an_older_configuration_has_no_gate(bring: Bring, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "answer", lambda _command: "Unknown ACL identifier. Please use #<id> or <file>.")
    with pytest.raises(AirliftError, match=r"has no write gate .*Run airlift.registry.deploy"):
        bring(writes="closed")


def test_an_order_that_is_refused_is_reported(bring: Bring, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "_obey", lambda _words: "Permission denied")
    with pytest.raises(AirliftError, match="refuses `add acl .*Permission denied"):
        bring(writes="closed")


def test_no_haproxy_is_said(bring: Bring, tmp_path: Path) -> None:
    with pytest.raises(AirliftError, match=f"HAProxy does not answer at {tmp_path}/nowhere: No such file"):
        bring(registry="registry1", socket=str(tmp_path / "nowhere"))
