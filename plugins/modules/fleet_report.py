# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_report
short_description: Write what happened on a fleet, as one JSON document and one page
version_added: 1.0.0
author:
  - The airlift.registry authors (@airlift)
description:
  - Writes C(fleet.json) and C(index.html) on the controller from what variables of the hosts hold, the registered results of
    M(airlift.registry.image_preload) and M(airlift.registry.image_info). Hosts that were not reached or failed appear with what is known of them.
  - The page is one file that needs no network. It has the state of each host and image, bytes against what whole archives would have cost, times,
    and what is to be done next.
  - Opens no connection. Run it once for the play, with C(run_once).
extends_documentation_fragment:
  - airlift.registry._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - The difference is shown in the states of the hosts.
  idempotent:
    support: full
    details:
      - The same results make the same bytes. The time in them is when they last changed.
options:
  path:
    description:
      - The directory on the controller. It is made if it is not there.
    type: path
    required: true
  hosts:
    description:
      - The hosts to report on, in this order. All that the play was for (C(ansible_play_hosts_all)) when this is left out.
    type: list
    elements: str
  result:
    description:
      - The variable that has each host's registered result of M(airlift.registry.image_preload).
    type: str
    default: preload_result
  asked:
    description:
      - The variable that has what the host answered in check mode before its change began, and which is empty as long as it did not. Then O(result) is
        an answer to a question.
      - Without it, O(result) is taken for the end of a change, and in check mode for an answer to a question.
    type: str
    default: ""
  drift:
    description:
      - The variable that has each host's registered result of M(airlift.registry.image_info) with locks. If it is given, the report is one of drift,
        and O(result) only adds the bytes that are lacking and what stands against bringing them.
    type: str
    default: ""
  bundles:
    description:
      - The bundles or locks, as the report names them.
    type: list
    elements: str
    default: []
seealso:
  - module: airlift.registry.image_preload
  - module: airlift.registry.image_info
"""

EXAMPLES = r"""
- name: Preload, and go on when that fails
  airlift.registry.image_preload:
    path: [/media/stick/2026-11.tar]
    allowed_signers: /etc/airlift/allowed_signers
  become: true
  register: preload_result
  ignore_errors: true
  ignore_unreachable: true

- name: Write what happened
  airlift.registry.fleet_report:
    path: /srv/reports/2026-11
    bundles: [2026-11.tar]
  run_once: true
"""

RETURN = r"""
path:
  description: The directory.
  returned: success
  type: str
  sample: /srv/reports/2026-11
files:
  description: The names of the files in it that are the report.
  returned: success
  type: list
  elements: str
  sample: [fleet.json, index.html]
totals:
  description:
    - The C(totals) of the document. The number of hosts in each state, bytes of compressed layers (C(asked_for), C(archives), C(present), C(staged),
      C(lacking), C(to_send), C(sent), C(pulled), C(swarm), C(wasted), C(saved)) of the C(hosts_with_bytes), the C(traffic) of all hosts, those that failed
      among them, and the C(least), C(median) and C(most) seconds of a host.
  returned: success
  type: dict
  sample:
    hosts: 2
    states: {"failed": 1, "changed": 1}
    bytes:
      {"asked_for": 37100000, "archives": 37100000, "present": 36600000, "staged": 0, "lacking": 500000, "to_send": 500000,
       "sent": 500000, "pulled": 0, "swarm": 0, "wasted": 0, "saved": 36600000}
    hosts_with_bytes: 1
    traffic: {"sent": 700000, "pulled": 0, "swarm": 0, "wasted": 8388608}
    seconds: {"least": 3.2, "median": 3.2, "most": 3.2}
"""
