# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of image_preload: verify, plan, send. The host's half is the module of the same name."""

from __future__ import annotations

import os
import time
import typing as t

from ansible import constants
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle, load_bundle
from ansible_collections.airlift.registry.plugins.module_utils._encryption import decrypted_once
from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._image import Image
from ansible_collections.airlift.registry.plugins.module_utils._layout import blob_name
from ansible_collections.airlift.registry.plugins.module_utils._medium import Medium, Opener
from ansible_collections.airlift.registry.plugins.module_utils._module import failure, from_os_error
from ansible_collections.airlift.registry.plugins.module_utils._oci import MAX_DOCUMENT
from ansible_collections.airlift.registry.plugins.module_utils._plan import is_change, leaves_out
from ansible_collections.airlift.registry.plugins.module_utils._platform import parse_platform
from ansible_collections.airlift.registry.plugins.module_utils._pool import Pool, choose_images
from ansible_collections.airlift.registry.plugins.module_utils._preflight import Refused, failure_reasons, reasons_of
from ansible_collections.airlift.registry.plugins.module_utils._reference import familiar
from ansible_collections.airlift.registry.plugins.module_utils._restore import Restorer
from ansible_collections.airlift.registry.plugins.plugin_utils._controller import as_list, on_controller
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.plugins.plugin_utils._progress import Progress, is_wanted
from ansible_collections.airlift.registry.plugins.plugin_utils._survey import Survey, survey
from ansible_collections.airlift.registry.plugins.plugin_utils._transport import Blob, Push

_MODULE = "airlift.registry.image_preload"
# Ansible would say this too, but not what to do.
_NO_ASYNC = InputError(
    "image_preload sends from the controller, so it cannot run with async",
    "Take async and poll away; no connection has to last. The keyword timeout bounds the time of a host, "
    "and more forks or strategy: free keep hosts from waiting for each other.",
)


class ModuleFailed(Exception):
    """The host's half failed; what it answered."""

    def __init__(self, answer: dict[str, t.Any]) -> None:
        super().__init__(answer.get("msg"))
        self.answer = answer


class ActionModule(ActionBase):
    """Preload one host."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        self._task_vars = task_vars or {}
        host = self._task_vars["inventory_hostname"]
        if self._task.async_val:
            return _failed(host, _NO_ASYNC)
        super().run(tmp, task_vars)
        try:
            return self._preload(host)
        except ModuleFailed as error:
            return {
                **error.answer,
                "failed": True,
                "msg": f"{host}: {error.answer.get('msg')}",
                "reasons": failure_reasons(error.answer),
            }
        except AirliftError as error:
            return _failed(host, error)
        except OSError as error:
            return _failed(host, from_os_error(error))

    def _preload(self, host: str) -> dict[str, t.Any]:
        started = time.monotonic()
        arguments = self._task.args
        bundles = [
            load_bundle(
                on_controller(path), on_controller(arguments.get("allowed_signers", "")), run_program, self._unlock
            )
            for path in as_list(arguments.get("path"))
        ]
        selected = choose_images(bundles, as_list(arguments.get("images")))
        platform = parse_platform(arguments["platform"]) if arguments.get("platform") else ""
        snapshot = self._ask_host(None)
        pool = Pool(bundles, _restorer())
        found = survey(host, selected, snapshot, pool, platform)
        warnings = self._judge(found)
        sent = 0
        if _has_work(found) and not self._task.check_mode:
            sent = self._send(host, found.plan, pool, snapshot["disk"]["staging_path"])
            refusal = self._load(found)
            if refusal:
                found = survey(host, selected, self._distrusted_snapshot(refusal), pool, platform)
                warnings += [
                    *self._judge(found),
                    f"The engine refused the images without layers that it has: {refusal}",
                ]
                sent += self._send(host, found.plan, pool, snapshot["disk"]["staging_path"])
                self._ask_host(_request(found))
        return {
            **_result(found, snapshot, bundles),
            "warnings": [f"{host}: {text}" for text in warnings],
            "bytes_sent": sent,
            "seconds": round(time.monotonic() - started, 2),
        }

    def _load(self, found: Survey) -> ModuleFailed | None:
        """Carry out the plan. What the engine said when it refused images from which layers had been left out, as it may have to have them."""
        try:
            self._ask_host(_request(found))
        except ModuleFailed as error:
            if error.answer.get("error") == "EngineError" and leaves_out(found.plan):
                return error
            raise
        return None

    def _distrusted_snapshot(self, refusal: ModuleFailed) -> dict[str, t.Any]:
        """What the host has now, but for layers in the engine; raises the refusal itself when the host no longer answers."""
        try:
            return {**self._ask_host(None), "distrusted": True}
        except ModuleFailed:
            raise refusal from None

    def _judge(self, found: Survey) -> list[str]:
        """Raise Refused when anything stands against this host; what is only to be warned of."""
        mode = self._task.args.get("downgrade", "warn")
        reasons = [*found.reasons, *(found.older if mode == "refuse" else ())]
        if reasons:
            raise Refused(reasons)
        return [f"{reason['problem']}." for reason in found.older if mode == "warn"]

    def _unlock(self, medium: Medium) -> Opener:
        """Decrypt a bundle, once for all hosts of the run, into the directory that Ansible removes when it ends."""
        identity = self._task.args.get("identity") or ""
        return decrypted_once(
            medium, on_controller(identity) if identity else "", constants.DEFAULT_LOCAL_TMP, run_program
        )

    def _ask_host(self, request: dict[str, t.Any] | None) -> dict[str, t.Any]:
        """Run the host's half: without a request it answers what the host has, with one it carries it out."""
        arguments = {**self._task.args, "_request": request}
        answer = self._execute_module(module_name=_MODULE, module_args=arguments, task_vars=self._task_vars)
        if answer.get("failed") or answer.get("unreachable"):
            raise ModuleFailed(answer)
        return answer

    def _send(self, host: str, plan: dict[str, t.Any], pool: Pool, staging_path: str) -> int:
        blobs = [
            Blob(blob["digest"], blob["size"], blob["offset"], pool.home(blob["digest"]).files)
            for blob in plan["blobs"]
        ]
        progress = Progress(
            host, sum(blob.size - blob.offset for blob in blobs), _show if is_wanted(os.environ) else _hide
        )
        if blobs:
            Push(self._shell, int(self._task.args.get("bandwidth_limit", 0))).send(blobs, staging_path, progress)
        return progress.sent

    def _shell(self, command: str, data: bytes | None = None) -> tuple[int, str, str]:
        try:
            answer = self._low_level_execute_command(command, in_data=data)
        except AnsibleConnectionFailure:
            # A connection that is kept open may be what broke; the next command opens another.
            self._connection.reset()
            raise
        return answer["rc"], answer["stdout"], answer["stderr"]


def _show(line: str) -> None:
    Display().display(line, stderr=True)


def _hide(line: str) -> None:
    """Nobody watches."""


def _restorer() -> Restorer:
    """The directory is that of the whole run, so a layer is restored once for all hosts; Ansible removes it at the end."""
    return Restorer(os.path.join(constants.DEFAULT_LOCAL_TMP, "airlift-restored"), run_program)


def _failed(host: str, error: AirliftError) -> dict[str, t.Any]:
    return {**failure(error), "failed": True, "msg": f"{host}: {error}", "reasons": reasons_of(error)}


def _has_work(found: Survey) -> bool:
    """Whether the host has to do anything, if only to put in order or to note what is no change of its images."""
    return is_change(found.plan) or bool(found.plan["leftovers"]["blobs"] or found.record)


def _request(found: Survey) -> dict[str, t.Any]:
    """What the host needs to carry out the plan: the small documents themselves, the layers by digest."""
    by_name = {image.name: (image, bundle) for image, bundle in found.images.items()}
    entries = []
    for entry in found.plan["images"]:
        image, bundle = by_name[entry["name"]]
        request = {"name": entry["name"], "id": entry["id"], "action": entry["action"]}
        if entry["action"] == "load":
            request.update(
                manifest=bundle.files.read(blob_name(image.manifest.digest), MAX_DOCUMENT).decode(),
                manifest_digest=image.manifest.digest,
                config=bundle.files.read(blob_name(image.config.digest), MAX_DOCUMENT).decode(),
                config_digest=image.config.digest,
                **_index(bundle, image, entry["id"]),
                diff_ids=[layer["diff_id"] for layer in entry["layers"]],
                include=[layer["digest"] for layer in entry["layers"] if layer["action"] != "present"],
            )
        entries.append(request)
    return {"images": entries, "leftovers": found.plan["leftovers"], "record": found.record}


def _index(bundle: Bundle, image: Image, image_id: str) -> dict[str, str]:
    """The index, for an engine that shall know the image by it."""
    if image.index is None or image.index.digest != image_id:
        return {}
    index = bundle.files.read(blob_name(image_id), MAX_DOCUMENT).decode()
    return {"index": index, "index_digest": image_id}


def _result(found: Survey, snapshot: dict[str, t.Any], bundles: t.Sequence[Bundle]) -> dict[str, t.Any]:
    plan = found.plan
    identities = {image["name"]: {key: image[key] for key in ("id", "digest", "reference")} for image in plan["images"]}
    return {
        "changed": is_change(plan),
        "to_do": _has_work(found),
        "reasons": [],
        "images": plan["images"],
        "images_by_name": {**identities, **{familiar(name): identity for name, identity in identities.items()}},
        "bytes": plan["bytes"],
        "resumed_bytes": plan["bytes"]["staged"] + sum(blob["offset"] for blob in plan["blobs"]),
        "engine": snapshot["engine"],
        "signers": sorted({bundle.signer for bundle in bundles}),
        "diff": {
            "before": {image["name"]: image["before"] for image in plan["images"]},
            "after": {image["name"]: image["id"] for image in plan["images"]},
        },
    }
