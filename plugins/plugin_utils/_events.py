# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What happens while a run goes on, one JSON object per line in a file on the controller; docs/guides/preloading.md has the format."""

from __future__ import annotations

import json
import os
import time
import typing as t

from ansible_collections.airlift.registry.plugins.plugin_utils._progress import Reading

TRAFFIC = ("bytes_sent", "bytes_pulled", "bytes_swarm", "bytes_wasted")
_LONGEST = 1000  # characters of a text, so that a line is written at once


class Events:
    """Of one I(host), appended to the file at I(path), to which the processes of other hosts write too; nothing when that is empty.

    Each says whether this I(is_check), which changes nothing.
    C(problem) is why no more is written, if so: a full disk of the controller is no reason to leave a host without its images.
    """

    def __init__(self, path: str, host: str, is_check: bool) -> None:
        self._of_all = {"host": host, "check_mode": is_check}
        # To append is to write at the end at once, whoever else writes.
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644) if path else None
        self.problem = ""

    def tell(self, event: str, **facts: t.Any) -> None:
        """Write one line: the time in seconds since 1970 (UTC), the I(event), the host, whether this is check mode, and the I(facts)."""
        if self._file is None or self.problem:
            return
        known = {name: fact[:_LONGEST] if isinstance(fact, str) else fact for name, fact in facts.items()}
        line = json.dumps({"time": round(time.time(), 3), "event": event, **self._of_all, **known})
        try:
            os.write(self._file, f"{line}\n".encode())
        except OSError as error:
            self.problem = f"Not all events were written: {error.strerror}."

    def tell_progress(self, reading: Reading) -> None:
        """How far the sending is."""
        counts = {"sent": reading.sent, "bytes": reading.total, "wasted": reading.wasted}
        self.tell("progress", **counts, rate=round(reading.rate))

    def tell_end(self, result: t.Mapping[str, t.Any]) -> None:
        """How it ended, with I(result)."""
        traffic = {name: result[name] for name in TRAFFIC}
        if result.get("failed") or result.get("unreachable"):
            problem = result.get("problem") or result["msg"]
            self.tell("error", problem=problem, next_step=result.get("next_step", ""), **traffic)
        else:
            to_do = result["to_do"] and self._of_all["check_mode"]
            self.tell("end", changed=result["changed"], to_do=to_do, seconds=result["seconds"], **traffic)
