# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""zstd on several cores, by the library C(zstandard): the same input makes the same bytes, however it is handed over.

With at least one worker zstd cuts the input into jobs of a fixed size, so neither the number of workers nor the pieces in which the
input comes make a difference. Another version of the library may.
"""

from __future__ import annotations

import os

from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError

try:
    import zstandard
except ImportError as _error:
    zstandard = None  # type: ignore[assignment]  # a library that may be missing
    LIBRARY_ERROR: str | None = str(_error)
else:
    LIBRARY_ERROR = None

_LEVEL = 3  # zstd's own default
_JOB = 2 * 1024 * 1024  # bytes; each worker holds about two of them
_WORKERS = min(os.cpu_count() or 1, 8)


class Compressor:
    """Compresses what is fed to it, in one frame with a checksum (RFC 8878)."""

    def __init__(self) -> None:
        if zstandard is None:
            raise HostError(
                f"The Python library zstandard is missing from this host's Python ({LIBRARY_ERROR})",
                "Install the package python3-zstandard, or leave compression at gzip.",
            )
        parameters = zstandard.ZstdCompressionParameters.from_level(
            _LEVEL, threads=_WORKERS, job_size=_JOB, write_checksum=True
        )
        self._frame = zstandard.ZstdCompressor(compression_params=parameters).compressobj()

    def feed(self, data: bytes) -> bytes:
        """Take some input; what is compressed by now."""
        return self._frame.compress(data)

    def finish(self) -> bytes:
        """The rest, once all input was fed."""
        return self._frame.flush()
