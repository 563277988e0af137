# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Loading that overlaps sending: whatever is complete on the host is loaded there, in a thread, while the rest is sent."""

from __future__ import annotations

import contextvars
import dataclasses
import threading
import typing as t

from ansible.errors import AnsibleConnectionFailure

from ansible_collections.airlift.registry.plugins.plugin_utils._survey import Survey
from ansible_collections.airlift.registry.plugins.plugin_utils._transport import Arrivals
from ansible_collections.airlift.registry.plugins.plugin_utils._waves import Wave, Waves

# Has the host load and prove the images of a survey.
Load = t.Callable[[Survey], None]


class Loading(Arrivals):
    """Loads for one survey, unless I(load) is nothing. That is called from another thread, but never by two at a time."""

    def __init__(self, found: Survey, load: Load | None) -> None:
        self._found = found
        self._load = load
        self._waves = Waves(found.plan)
        self._thread: threading.Thread | None = None
        self._failure: Exception | None = None
        self.is_lost = False  # the connection broke while the host loaded, so nobody knows what it has

    def arrived(self, digest: str, size: int) -> None:
        self._waves.arrived(digest, size)

    def go_on(self) -> None:
        """Begin to load if there is something to load and the host is not at it. Raises what loading has failed with, so that no more is sent in vain."""
        if self._thread and self._thread.is_alive():
            return
        self._raise_failure()
        wave = self._waves.next() if self._load and not self.is_lost else None
        if wave:
            # Ansible keeps notes of the task in the context.
            context = contextvars.copy_context()
            self._thread = threading.Thread(target=context.run, args=(self._run, self._load, wave), daemon=True)
            self._thread.start()

    def finish(self) -> Survey:
        """Wait for what is being loaded; what is left to do. Raises what loading has failed with."""
        self.wait()
        self._raise_failure()
        return dataclasses.replace(self._found, plan=self._waves.rest())

    def wait(self) -> None:
        """Wait for what is being loaded."""
        if self._thread:
            self._thread.join()

    def _run(self, load: Load, wave: Wave) -> None:
        try:
            load(dataclasses.replace(self._found, plan=wave.plan))
            self._waves.loaded(wave)
        except AnsibleConnectionFailure:
            self.is_lost = True
        except Exception as error:
            self._failure = error

    def _raise_failure(self) -> None:
        if self._failure:
            raise self._failure
