# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  path:
    description:
      - The bundle, a directory or a tar. Of a tar in parts, or of one that is encrypted, the path of the tar itself, as V(app.tar) for
        C(app.tar.001), C(app.tar.age) or C(app.tar.age.001).
    type: path
    required: true
"""
