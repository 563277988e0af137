# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upstream's own images: pulled by their pinned digest, where a registry answers soon."""

from __future__ import annotations

import os
import re
import select
import subprocess
from collections.abc import Mapping

from .errors import LabError
from .shell import say

SETTING = "AIRLIFT_LAB_PULL"
NEVER = "never"
# A registry that can be used has sent the manifest by then. Where packets get lost, this is what the attempt costs.
ANSWER_SECONDS = 5
PULL_SECONDS = 300


class NoAnswerError(LabError):
    """The registry cannot be reached: it need not be asked for anything else."""


class Puller:
    """Pulls during one run of the lab. A registry that did not answer once is not asked again."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self.setting = environment.get(SETTING, "")
        self._silent: set[str] = set()

    def pull(self, name: str, upstream: str) -> str | None:
        """Bring an upstream image into the engine; its reference there, or nothing when it must be built."""
        source = source_of(upstream, self.setting)
        registry = source.partition("/")[0]
        if self.setting == NEVER or registry in self._silent:
            return None
        try:
            _pull(source)
        except NoAnswerError as error:
            self._silent.add(registry)
            say(f"{name}: {registry} does not answer, so what is pinned there is built in this run. {error}")
        except LabError as error:
            say(f"{name}: {source} cannot be pulled, so it is built. {error}")
        else:
            return source
        return None


def source_of(upstream: str, mirror: str = "") -> str:
    """Where an image is pulled from: by digest alone, as the tag decides nothing then, and from the mirror if there is one."""
    name, _, digest = upstream.partition("@")
    registry, _, repository = name.partition("/")
    return f"{mirror or registry}/{repository.rpartition(':')[0]}@{digest}"


def _pull(source: str) -> None:
    command = ("setpriv", "--pdeathsig", "KILL", "docker", "pull", source)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            _await_answer(process)
            said = process.communicate(timeout=PULL_SECONDS)[1]
        except subprocess.TimeoutExpired:
            raise LabError(f"It was not here within {PULL_SECONDS} s.") from None
        finally:
            process.kill()
    if process.returncode:
        raise failure(said)


def _await_answer(process: subprocess.Popen[str]) -> None:
    """Wait for the first line, which comes when the engine has the manifest, or for the end."""
    output = process.stdout
    if output and not select.select([output], [], [], ANSWER_SECONDS)[0]:
        raise NoAnswerError(f"Nothing came within {ANSWER_SECONDS} s.")


def failure(said: str) -> LabError:
    """What a failed pull means: engines name the request that got no answer, and no request when they got one."""
    reason = said.strip().removeprefix("Error response from daemon: ")
    if re.search(r'\b(Get|Head) "https?://', reason):
        return NoAnswerError(reason)
    return LabError(reason)
