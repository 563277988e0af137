# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Errors, by whose fault it is. Each says what is wrong and what to do next."""

from __future__ import annotations


class AirliftError(Exception):
    """Base of all errors that an operator sees.

    C(problem) names the host, image or file; C(next_step) is one sentence that says what to do.
    """

    def __init__(self, problem: str, next_step: str) -> None:
        self.problem = problem
        self.next_step = next_step
        super().__init__(f"{problem}. {next_step}")


class InputError(AirliftError):
    """What the operator wrote cannot be meant: a reference, a path, an option."""


class BundleError(AirliftError):
    """The bundle is damaged, incomplete or not a bundle."""


class SignatureError(BundleError):
    """The bundle is not signed by anybody who may."""


class EngineError(AirliftError):
    """The container engine is missing, does not answer, or did not do what it was asked."""


class HostError(AirliftError):
    """The host cannot take the images: disk, tools, Python libraries."""


class DeltaError(AirliftError):
    """A host could not make a layer of its delta; the layer itself would do."""


class RegistryError(AirliftError):
    """A registry refused, or answered what it must not."""


class StoreError(AirliftError):
    """An object store is not reached, refuses, or does not do what a registry needs."""


class TransportError(AirliftError):
    """Bytes did not reach a host."""
