# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The fleet's report: from what each host answered to one document. Plain data in, plain data out; docs/guides/fleet-report.md has its schema."""

from __future__ import annotations

import statistics
import typing as t
from collections import Counter
from dataclasses import dataclass, field

from ansible_collections.airlift.registry.plugins.module_utils._fleet_images import (
    TRAFFIC,
    byte_counts,
    images_of,
    state_of,
)

Answer = t.Mapping[str, t.Any]

FORMAT, VERSION = "airlift-fleet-report", 1
PRELOAD, DRIFT = "preload", "drift"
# The order in which people want to see them: what needs a hand comes first.
HOST_STATES = (
    "unknown", "unreachable", "failed", "refused", "drifted", "pending", "changed", "unchanged", "matches",
)  # fmt: skip
_NO_ANSWER = {
    "kind": "unknown",
    "images": [],
    "problem": "Nothing is known of this host: it left the run before it was asked",
    "next_step": "Look for its name in the output of the run, and run this again.",
}
_UNREACHED = "Check the connection to it (ansible -m ping) and run this again."
_FAILED = "Look for its name in the output of the run, and run this again."


@dataclass(frozen=True)
class Answers:
    """What one host answered; each is empty when it did not.

    C(result) is the last answer of image_preload and C(asked) the one before the change began. C(is_begun) tells whether C(result) is of a
    change, and not of a question. C(drift) is the answer of image_info with locks.
    """

    host: str
    result: Answer = field(default_factory=dict)
    asked: Answer = field(default_factory=dict)
    drift: Answer = field(default_factory=dict)
    is_begun: bool = False


def fleet_document(kind: str, answers: t.Sequence[Answers], bundles: t.Sequence[str]) -> dict[str, t.Any]:
    """The document of a fleet, with the hosts in the order of I(answers); I(kind) is PRELOAD or DRIFT."""
    host_of = _drifting_host if kind == DRIFT else _preloaded_host
    hosts = [host_of(answer) for answer in answers]
    return {
        "format": FORMAT,
        "version": VERSION,
        "kind": kind,
        "bundles": list(bundles),
        "totals": _totals(hosts),
        "images": _by_image(hosts),
        "hosts": hosts,
    }


def _preloaded_host(answers: Answers) -> dict[str, t.Any]:
    result = answers.result
    state = _preload_state(answers)
    source = result if "images" in result else answers.asked
    images = [{**image, "state": state_of(image, state)} for image in images_of(source)]
    reasons = _reasons(result) if state in ("unknown", "unreachable", "failed", "refused") else []
    return _host(answers.host, state, source, images, reasons, byte_counts(source, result, answers.is_begun), result)


def _preload_state(answers: Answers) -> str:
    """Told by what the host said, not by C(failed) and C(changed) alone: of a question the role has both be false."""
    result = answers.result
    if not result:
        return "unknown"
    if result.get("unreachable"):
        return "unreachable"
    if _is_bad(result):
        return "failed" if answers.is_begun else "refused"
    if answers.is_begun:
        return "changed" if result.get("changed") else "unchanged"
    return "unchanged" if all(image["action"] == "present" for image in result.get("images") or []) else "pending"


def _is_bad(result: Answer) -> bool:
    return any(result.get(key) for key in ("failed", "unreachable", "reasons"))


def _drifting_host(answers: Answers) -> dict[str, t.Any]:
    """Of the hosts that could be looked at the reasons are what stands against a preload, which changes nothing of what they have."""
    looked = answers.drift
    if "drift" not in looked:
        state = "unreachable" if looked.get("unreachable") else "failed" if looked else "unknown"
        return _host(answers.host, state, {}, [], _reasons(looked), None, {})
    sizes = {image["name"]: image for image in images_of(answers.result)}
    images = [_drifting_image(found, sizes) for found in _each_name_once(looked["drift"]["images"])]
    is_whole = bool(images) and all(image["state"] == "present" for image in images)
    reasons = _reasons(answers.result) if _is_bad(answers.result) else []
    counts = byte_counts(answers.result, answers.result, False)
    host = _host(answers.host, "matches" if is_whole else "drifted", looked, images, reasons, counts, answers.result)
    # How long it took to ask says nothing of drift, and would make each report another one.
    return {**host, "seconds": None, "extra": [dict(image) for image in looked["drift"]["extra"]]}


def _each_name_once(found: t.Iterable[Answer]) -> list[Answer]:
    """Several locks may want the same name. What is wrong for one of them counts."""
    by_name: dict[str, Answer] = {}
    for image in found:
        if by_name.get(image["name"], {"state": "present"})["state"] == "present":
            by_name[image["name"]] = image
    return list(by_name.values())


def _drifting_image(found: Answer, sizes: t.Mapping[str, dict[str, t.Any]]) -> dict[str, t.Any]:
    known = sizes.get(found["name"], {})
    return {
        "name": found["name"],
        "state": found["state"],
        "reason": found["reason"],
        "id": known.get("id"),
        "before": found["id"],
        "size": known.get("size"),
        "lacking": known.get("lacking"),
    }


def _host(
    name: str,
    state: str,
    source: Answer,
    images: list[dict[str, t.Any]],
    reasons: list[dict[str, t.Any]],
    counts: dict[str, t.Any] | None,
    result: Answer,
) -> dict[str, t.Any]:
    engine = source.get("engine")
    keys = ("product", "version", "store", "driver", "platform")
    return {
        "host": name,
        "state": state,
        "engine": {key: engine.get(key) for key in keys} if engine else None,
        "bytes": counts,
        "seconds": result.get("seconds"),
        "images": [{key: value for key, value in image.items() if key != "action"} for image in images],
        "extra": [],
        "reasons": reasons,
        "warnings": list(result.get("warnings") or []),
    }


def _reasons(answer: Answer) -> list[dict[str, t.Any]]:
    """What is wrong and what to do, also of an answer that Ansible gave in a module's place."""
    if not answer:
        return [dict(_NO_ANSWER)]
    if answer.get("reasons"):
        return [
            {key: reason.get(key, "") for key in ("kind", "problem", "next_step")}
            | {"images": list(reason.get("images") or [])}
            for reason in answer["reasons"]
        ]
    is_unreachable = bool(answer.get("unreachable"))
    return [
        {
            "kind": "transport" if is_unreachable else "host",
            "images": [],
            "problem": str(answer.get("problem") or answer.get("msg") or "It failed without a word"),
            "next_step": str(answer.get("next_step") or (_UNREACHED if is_unreachable else _FAILED)),
        }
    ]


def _totals(hosts: t.Sequence[Answer]) -> dict[str, t.Any]:
    """Sums. C(bytes) are those of the hosts of which both sides of the comparison are known, C(traffic) also those of hosts that failed."""
    counts = Counter(host["state"] for host in hosts)
    counted = [host["bytes"] for host in hosts if host["bytes"] and host["bytes"]["sent"] is not None]
    known = [each for each in counted if each["saved"] is not None]
    return {
        "hosts": len(hosts),
        "states": {state: counts[state] for state in HOST_STATES if counts[state]},
        "bytes": {key: sum(each[key] for each in known) for key in known[0]} if known else None,
        "hosts_with_bytes": len(known),
        "traffic": {key: sum(each[key] for each in counted) for key in TRAFFIC} if counted else None,
        "seconds": _spread([host["seconds"] for host in hosts if host["seconds"] is not None]),
    }


def _spread(seconds: t.Sequence[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    return {"least": min(seconds), "median": round(statistics.median(seconds), 2), "most": max(seconds)}


def _by_image(hosts: t.Sequence[Answer]) -> list[dict[str, t.Any]]:
    """On how many hosts each image is in which state, by name."""
    counts: dict[str, Counter[str]] = {}
    sizes: dict[str, int | None] = {}
    for host in hosts:
        for image in host["images"]:
            counts.setdefault(image["name"], Counter())[image["state"]] += 1
            sizes[image["name"]] = sizes.get(image["name"]) or image["size"]
    return [
        {"name": name, "size": sizes[name], "states": dict(sorted(found.items()))}
        for name, found in sorted(counts.items())
    ]
