# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of image_preload: verify, plan, send. The host's half is the module of the same name."""

from __future__ import annotations

import copy
import os
import time
import typing as t
from functools import partial

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle, load_bundle
from ansible_collections.airlift.registry.plugins.module_utils._delta_choice import Wish
from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._module import failure, from_os_error
from ansible_collections.airlift.registry.plugins.module_utils._plan import is_change
from ansible_collections.airlift.registry.plugins.module_utils._platform import parse_platform
from ansible_collections.airlift.registry.plugins.module_utils._pool import Pool, choose_images
from ansible_collections.airlift.registry.plugins.module_utils._preflight import Refused, failure_reasons, reasons_of
from ansible_collections.airlift.registry.plugins.module_utils._reference import familiar
from ansible_collections.airlift.registry.plugins.module_utils._replaced import note_outcome, to_remove
from ansible_collections.airlift.registry.plugins.plugin_utils._connection import (
    another,
    keep_alive,
    lost_connection,
    no_answer,
)
from ansible_collections.airlift.registry.plugins.plugin_utils._controller import (
    as_list,
    end_with_ansible,
    on_controller,
)
from ansible_collections.airlift.registry.plugins.plugin_utils._doubts import doubt_of, warning_of
from ansible_collections.airlift.registry.plugins.plugin_utils._events import Events
from ansible_collections.airlift.registry.plugins.plugin_utils._loading import Loading
from ansible_collections.airlift.registry.plugins.plugin_utils._outcome import told
from ansible_collections.airlift.registry.plugins.plugin_utils._private import RunDirectory
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.plugins.plugin_utils._progress import Progress
from ansible_collections.airlift.registry.plugins.plugin_utils._request import request_of
from ansible_collections.airlift.registry.plugins.plugin_utils._screen import Board, Screen, is_wanted
from ansible_collections.airlift.registry.plugins.plugin_utils._survey import Survey, survey
from ansible_collections.airlift.registry.plugins.plugin_utils._transport import Transport
from ansible_collections.airlift.registry.plugins.plugin_utils._transport_choice import PUSH, REGISTRY, Choice, choose
from ansible_collections.airlift.registry.plugins.plugin_utils._transport_push import Push
from ansible_collections.airlift.registry.plugins.plugin_utils._transport_registry import FromRegistry
from ansible_collections.airlift.registry.plugins.plugin_utils._transport_swarm import Brought
from ansible_collections.airlift.registry.plugins.plugin_utils._trip import Trip

_MODULE = "airlift.registry.image_preload"
# Ansible would say this too, but not what to do.
_NO_ASYNC = InputError(
    "image_preload sends from the controller, so it cannot run with async",
    "Take async and poll away; no connection has to last. The keyword timeout bounds the time of a host, "
    "and more forks or strategy: free keep hosts from waiting for each other.",
)


class ModuleFailed(Exception):
    """The host's half failed; what it answered, and to which plan if it had one to carry out."""

    def __init__(self, answer: dict[str, t.Any]) -> None:
        super().__init__(answer.get("msg"))
        self.answer = answer
        self.plan: dict[str, t.Any] = {"images": []}


class ActionModule(ActionBase):
    """Preload one host."""

    _under_way: Trip | None = None

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        self._task_vars = task_vars or {}
        host = self._task_vars["inventory_hostname"]
        if self._task.async_val:
            return _failed(host, _NO_ASYNC)
        super().run(tmp, task_vars)
        path = self._option("events", "")
        try:
            events = Events(on_controller(path) if path else "", host, self._task.check_mode)
        except OSError as error:
            return {**_failed(host, from_os_error(error)), **self._brought().traffic()}
        events.tell("start")
        result = self._outcome(host, events)
        # What was sent counts, whatever became of it.
        result.update(self._under_way.traffic() if self._under_way else self._brought().traffic())
        events.tell_end(result)
        return result

    def _outcome(self, host: str, events: Events) -> dict[str, t.Any]:
        try:
            return self._preload(host, events)
        except ModuleFailed as error:
            return _module_failed(host, error.answer)
        except AnsibleConnectionFailure as error:
            return {**_failed(host, lost_connection(error)), "failed": False, "unreachable": True}
        except AirliftError as error:
            return _failed(host, error)
        except OSError as error:
            return _failed(host, from_os_error(error))

    def _preload(self, host: str, events: Events) -> dict[str, t.Any]:
        started = time.monotonic()
        end_with_ansible()
        keep_alive(self._connection)
        of_run = RunDirectory(self._option("identity", ""))
        bundles = self._bundles(of_run)
        trip = self._under_way = self._trip(host, bundles, of_run, events)
        snapshot = self._ask_host(None)
        found = trip.survey(snapshot)
        choice = choose(self._option("transport", "auto"), self._option("registry", ""), found.plan, snapshot)
        trip.warnings += [*self._judge(found), *choice.warnings]
        trip.tell_plan(found.plan)
        plan, to_do = told(found.plan, found.plan, choice.pulled(found.plan)), _has_work(found)
        if to_do and not self._task.check_mode:
            plan = told(found.plan, self._change(trip, found, choice).plan, trip.pulled.images)
        return {
            **trip.brought.told({**_result(plan, snapshot, bundles), "transport_reason": choice.reason}),
            "to_do": to_do,
            "warnings": [f"{host}: {text}" for text in trip.all_warnings()],
            "seconds": round(time.monotonic() - started, 2),
        }

    def _option(self, name: str, default: t.Any) -> t.Any:
        """An option of the task, which no module has looked at yet."""
        return self._task.args.get(name) or default

    def _brought(self) -> Brought:
        return Brought.of(self._option("swarm", {}))

    def _bundles(self, of_run: RunDirectory) -> list[Bundle]:
        signers = on_controller(self._option("allowed_signers", ""))
        paths = as_list(self._option("path", []))
        return [load_bundle(on_controller(path), signers, run_program, of_run.unlock) for path in paths]

    def _trip(self, host: str, bundles: t.Sequence[Bundle], of_run: RunDirectory, events: Events) -> Trip:
        selected = choose_images(bundles, as_list(self._option("images", [])))
        platform = parse_platform(self._option("platform", "")) if self._option("platform", "") else ""
        pool = Pool(bundles, of_run.restorer())
        wish = Wish(
            self._option("deltas", "auto"),
            int(self._option("link_speed", 0)) or int(self._option("bandwidth_limit", 0)),
        )
        return Trip(
            host,
            lambda snapshot: survey(host, selected, snapshot, pool, platform, wish),
            pool,
            events,
            self._screen(host, of_run) if is_wanted(os.environ) else None,
            self._brought(),
        )

    def _screen(self, host: str, of_run: RunDirectory) -> Screen:
        hosts = self._task_vars["ansible_play_hosts_all"]
        board = Board(of_run.place(f"board-{self._task._uuid}"), hosts.index(host), len(hosts))
        return Screen(lambda line: Display().display(line, stderr=True), board if len(hosts) > 1 else None)

    def _change(self, trip: Trip, found: Survey, choice: Choice) -> Survey:
        """Bring what the host lacks and carry out the plan; while the host says why that cannot be, plan anew. The plan that was carried out in the end."""
        transports = choice.transports
        while True:
            try:
                found, rest = self._bring(trip, found, [self._transport(name, trip) for name in transports])
                answer = self._load(trip, rest, trip.link_speed())
            except ModuleFailed as error:
                doubt = doubt_of(error.answer, error.plan)
                if not doubt or doubt.keys() <= trip.doubts.keys():
                    raise
                found, transports = self._survey_anew(trip, error, doubt), (PUSH,)
            else:
                note_outcome(found.plan, answer["replaced"])
                return found

    def _survey_anew(self, trip: Trip, refusal: ModuleFailed, doubt: dict[str, t.Any]) -> Survey:
        """Plan for what the host has now without what it refused; raises the refusal itself when the host no longer answers."""
        try:
            snapshot = self._ask_host(None)
        except ModuleFailed:
            raise refusal from None
        trip.doubts.update(doubt)
        found = trip.survey(snapshot)
        trip.warnings += [*self._judge(found), warning_of(doubt)]
        trip.tell_plan(found.plan)
        return found

    def _bring(self, trip: Trip, found: Survey, transports: t.Sequence[Transport]) -> tuple[Survey, Survey]:
        """Let each transport bring what it can, the last one all that is lacking then; the plan for that one, and what of it is left to load."""
        for transport in transports[:-1]:
            self._carry(trip, found, transport)
            found = trip.survey(self._ask_host(None))
        return found, self._carry(trip, found, transports[-1])

    def _transport(self, name: str, trip: Trip) -> Transport:
        if name == REGISTRY:
            return FromRegistry(self._option("registry", ""), self._ask_host, trip.pulled)
        return Push(self._shell, int(self._option("bandwidth_limit", 0)), self._twin()._shell)

    def _carry(self, trip: Trip, found: Survey, transport: Transport) -> Survey:
        """Let a transport bring what it can, and the host load that meanwhile; what is left to load."""
        loading = Loading(found, partial(self._twin()._load_wave, trip) if trip.overlaps else None)
        cargo = trip.cargo(found, loading)
        total = sum(blob.size - blob.offset for blob in cargo.blobs)
        started = time.monotonic()
        progress = Progress(trip.host, total, trip.see)
        try:
            transport.bring(cargo, progress)
        except Exception:
            if trip.screen:
                trip.screen.end(progress.sent)
            loading.wait()
            raise
        finally:
            trip.sent += progress.sent
            trip.wasted += progress.wasted
            # Of what a transport brought past the controller nothing tells of this link.
            trip.seconds += time.monotonic() - started if progress.sent else 0.0
        rest = loading.finish()
        if not loading.is_lost:
            return rest
        trip.overlaps = False
        return self._carry(trip, trip.survey(self._ask_host(None)), transport)

    def _twin(self) -> ActionModule:
        """The same for another thread."""
        twin = copy.copy(self)
        twin._connection = another(self._connection)
        return twin

    def _load_wave(self, trip: Trip, found: Survey) -> None:
        self._load(trip, found, 0, is_last=False)

    def _load(self, trip: Trip, found: Survey, link_speed: int, is_last: bool = True) -> dict[str, t.Any]:
        """Have the host carry out a plan for which all is there; its answer."""
        try:
            answer = self._ask_host(request_of(found, link_speed, is_last))
        except ModuleFailed as error:
            error.plan = found.plan
            raise
        trip.tell_proven(found.plan)
        return answer

    def _judge(self, found: Survey) -> list[str]:
        """Raise Refused when anything stands against this host; what is only to be warned of."""
        mode = self._option("downgrade", "warn")
        reasons = [*found.reasons, *(found.older if mode == "refuse" else ())]
        if reasons:
            raise Refused(reasons)
        return [f"{reason['problem']}." for reason in found.older if mode == "warn"]

    def _ask_host(self, request: dict[str, t.Any] | None) -> dict[str, t.Any]:
        """Run the host's half: without a request it answers what the host has, with one it carries it out."""
        arguments = {**self._task.args, "_request": request}
        answer = self._execute_module(module_name=_MODULE, module_args=arguments, task_vars=self._task_vars)
        if answer.get("failed") or answer.get("unreachable"):
            raise ModuleFailed(answer)
        return answer

    def _shell(self, command: str, data: bytes | None = None) -> tuple[int, str, str]:
        try:
            answer = self._low_level_execute_command(command, in_data=data)
        except AnsibleConnectionFailure:
            # A connection that is kept open may be what broke; the next command opens another.
            self._connection.reset()
            raise
        return answer["rc"], answer["stdout"], answer["stderr"]


def _module_failed(host: str, answer: dict[str, t.Any]) -> dict[str, t.Any]:
    # Ansible gives this only of a module that did not answer in its own words.
    if "module_stdout" in answer:
        return {**answer, **_failed(host, no_answer(answer))}
    return {**answer, "failed": True, "msg": f"{host}: {answer.get('msg')}", "reasons": failure_reasons(answer)}


def _failed(host: str, error: AirliftError) -> dict[str, t.Any]:
    return {**failure(error), "failed": True, "msg": f"{host}: {error}", "reasons": reasons_of(error)}


def _has_work(found: Survey) -> bool:
    """Whether the host has to do anything, if only to put in order or to note what is no change of its images."""
    return is_change(found.plan) or bool(
        found.plan["leftovers"]["blobs"] or found.plan["leftovers"]["work"] or found.record
    )


def _result(plan: dict[str, t.Any], snapshot: dict[str, t.Any], bundles: t.Sequence[Bundle]) -> dict[str, t.Any]:
    gone = to_remove(plan)
    identities = {image["name"]: {key: image[key] for key in ("id", "digest", "reference")} for image in plan["images"]}
    return {
        "changed": is_change(plan),
        "reasons": [],
        "images": plan["images"],
        "images_by_name": {**identities, **{familiar(name): identity for name, identity in identities.items()}},
        "bytes": plan["bytes"],
        "resumed_bytes": plan["bytes"]["staged"] + sum(blob["offset"] for blob in plan["blobs"]),
        "engine": snapshot["engine"],
        "signers": sorted({bundle.signer for bundle in bundles}),
        "diff": {
            "before": {**{image["name"]: image["before"] for image in plan["images"]}, **dict.fromkeys(gone, "there")},
            "after": {**{image["name"]: image["id"] for image in plan["images"]}, **dict.fromkeys(gone, "removed")},
        },
    }
