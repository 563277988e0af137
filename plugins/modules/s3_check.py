#!/usr/bin/python
# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: s3_check
short_description: Prove that a bucket can carry a registry
version_added: 1.0.0
author:
  - The airlift.registry authors (@airlift)
description:
  - Tries on a bucket, with real requests, every operation that the S3 driver of CNCF Distribution needs. Objects are put, listed right after their write,
    read by ranges, copied, and deleted; uploads are made in parts, listed, copied from, and aborted.
  - Fails with the operation that does not work, what the store answered, and what to do next.
  - All happens below one prefix that is made up for the run. Nothing stays, not of operations that failed either.
extends_documentation_fragment:
  - airlift.registry._attributes
attributes:
  check_mode:
    support: partial
    details:
      - In check mode only the operations that write nothing are tried.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  endpoint:
    description: Where the store answers, as C(http[s]://HOST[:PORT]). No proxy is used, as the registry uses none.
    type: str
    required: true
  region:
    description: The region that requests are signed for. With Garage it is its C(s3_region).
    type: str
    required: true
  bucket:
    description: The bucket. It has to be there.
    type: str
    required: true
  access_key:
    description: ID of the key that the registry will use.
    type: str
    required: true
  secret_key:
    description: Secret of the key.
    type: str
    required: true
  path_style:
    description: Whether the bucket is named in the path, as most stores want it, and not in the host's name.
    type: bool
    default: true
  prefix:
    description: Where in the bucket the registry will keep its data (its C(rootdirectory)), for a key that may not write elsewhere.
    type: str
    default: ""
  ca_path:
    description: File with the authority of the store's certificate. By default those that the host trusts count.
    type: path
    default: ""
  timeout:
    description: How many seconds to wait for each part of an answer.
    type: int
    default: 30
notes:
  - A store may refuse an upload of one empty part, as Garage does. The registry then cannot keep a blob of no bytes. No image has one (an empty layer is an
    archive, and the empty JSON of artifacts has two bytes), so this is a warning and RV(empty_blobs) is V(false).
  - With C(empty_blobs=false) in C(registry_storage) the load balancers of this collection refuse such a blob with an error that says so.
"""

EXAMPLES = r"""
- name: Prove that the bucket can carry a registry
  airlift.registry.s3_check:
    endpoint: https://s3.example.com
    region: eu-central-1
    bucket: images
    access_key: "{{ vault_s3_access_key }}"
    secret_key: "{{ vault_s3_secret_key }}"
    ca_path: /etc/ssl/certs/site-ca.pem
"""

RETURN = r"""
operations:
  description: The operations that were tried, in order, up to the first that does not work. C(problem) is empty for those that do.
  returned: always, once the input is understood
  type: list
  elements: dict
  sample: [{"name": "list objects", "problem": ""}, {"name": "copy a part", "problem": "Bucket images at http://s3:9000 answers 501 NotImplemented to PUT"}]
empty_blobs:
  description: Whether the registry will be able to keep a blob of no bytes. V(null) when it was not tried.
  returned: always, once the input is understood
  type: bool
  sample: true
problem:
  description: What is wrong, on failure.
  returned: failure
  type: str
  sample: Cannot copy a part. Bucket images at http://s3:9000 answers 501 NotImplemented to PUT
next_step:
  description: What to do about it, on failure.
  returned: failure
  type: str
  sample: "A registry cannot work without this: mend the store, or choose another one."
"""

import typing as t
import uuid
from itertools import starmap

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airlift.registry.plugins.module_utils._errors import StoreError
from ansible_collections.airlift.registry.plugins.module_utils._module import failure, run_module
from ansible_collections.airlift.registry.plugins.module_utils._s3 import Bucket
from ansible_collections.airlift.registry.plugins.module_utils._s3_check import (
    S3Check,
    Tried,
    try_one,
    try_until_error,
)
from ansible_collections.airlift.registry.plugins.module_utils._s3_signature import Credentials


class Checker:
    """Checks one bucket."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        params = module.params
        credentials = Credentials(params["access_key"], params["secret_key"], params["region"])
        bucket = Bucket(
            params["endpoint"],
            params["bucket"],
            credentials,
            params["path_style"],
            params["ca_path"],
            params["timeout"],
        )
        root = params["prefix"].strip("/")
        self._check = S3Check(bucket, f"{root}{'/' if root else ''}airlift-s3-check/{uuid.uuid4().hex}/")

    def check(self) -> dict[str, t.Any]:
        """Try all that may be tried; the result of the task."""
        tried = try_until_error(self._check.reading())
        if self._module.check_mode or tried[-1].error:
            return self._result(tried, None)
        tried += try_until_error(self._check.writing())
        empty = try_one("upload an empty part", self._check.empty_part)
        tried += [entry for entry in starmap(try_one, self._check.remains()) if entry.error]
        return self._result(tried, empty)

    def _result(self, tried: t.Sequence[Tried], empty: Tried | None) -> dict[str, t.Any]:
        result = {
            "changed": False,
            "operations": [
                {"name": entry.name, "problem": entry.error.problem if entry.error else ""} for entry in tried
            ],
            "empty_blobs": not empty.error if empty else None,
        }
        failed = next((entry for entry in tried if entry.error), None)
        if failed and failed.error:
            error = StoreError(f"Cannot {failed.name}. {failed.error.problem}", failed.error.next_step)
            self._module.fail_json(**{**result, **failure(error)})
        if empty and empty.error:
            self._module.warn(f"The registry will refuse blobs of no bytes; no image has one. {empty.error.problem}")
        return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "endpoint": {"type": "str", "required": True},
            "region": {"type": "str", "required": True},
            "bucket": {"type": "str", "required": True},
            "access_key": {"type": "str", "required": True, "no_log": False},
            "secret_key": {"type": "str", "required": True, "no_log": True},
            "path_style": {"type": "bool", "default": True},
            "prefix": {"type": "str", "default": ""},
            "ca_path": {"type": "path", "default": ""},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: Checker(module).check())


if __name__ == "__main__":
    main()
