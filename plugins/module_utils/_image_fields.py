# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The C(image:) fields of Compose files and Kubernetes manifests: files in, image references out, each once.

Both are only read for their images: nothing is rendered, included or extended. YAML is untrusted: no tag makes an object, aliases are not
multiplied, and a file has a largest size.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._interpolate import interpolate

try:
    import yaml
except ImportError as _error:
    yaml = None  # type: ignore[assignment]  # a library that may be missing
    YAML_ERROR: str | None = str(_error)
else:
    YAML_ERROR = None

# Kubernetes API, PodSpec: wherever a pod is described, its containers are in these lists.
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


def compose_images(path: str, variables: t.Mapping[str, str]) -> list[str]:
    """The images of the services in a Compose file (Compose specification, "image"); raises InputError or HostError."""
    images: list[str] = []
    for document in _documents(path):
        services = document.get("services") if isinstance(document, dict) else None
        for name, service in services.items() if isinstance(services, dict) else ():
            image = service.get("image") if isinstance(service, dict) else None
            if isinstance(image, str):
                images.append(interpolate(image, variables, f"The image of service {name} in {path}"))
    return _found(images, path, "a Compose file with services that have an image")


def kubernetes_images(path: str) -> list[str]:
    """The images of all containers in a file of Kubernetes manifests, whatever their kind; raises InputError or HostError."""
    images = [image for document in _documents(path) for image in _container_images(document)]
    return _found(
        images, path, "a file of Kubernetes manifests with containers; render templates first (helm template)"
    )


def _container_images(document: t.Any) -> t.Iterator[str]:
    seen: set[int] = set()
    rest = [document]
    while rest:
        value = rest.pop()
        if not isinstance(value, (dict, list)) or id(value) in seen:
            continue  # An alias is the same object wherever it is used.
        seen.add(id(value))
        rest.extend(reversed(list(value.values()) if isinstance(value, dict) else value))
        for key in _CONTAINERS:
            containers = value.get(key) if isinstance(value, dict) else None
            for container in containers if isinstance(containers, list) else ():
                if isinstance(container, dict) and isinstance(container.get("image"), str):
                    yield container["image"]


def _documents(path: str) -> list[t.Any]:
    if yaml is None:
        raise HostError(
            f"{path} cannot be read: the library for YAML is missing from this host's Python ({YAML_ERROR})",
            "Install the package python3-yaml.",
        )
    if not os.path.isfile(path):
        raise InputError(f"There is no file {path}", "Check the path; it is looked for on the host that runs Ansible.")
    with open(path, "rb") as stream:
        data = stream.read(_oci.MAX_DOCUMENT + 1)
    if len(data) > _oci.MAX_DOCUMENT:
        raise InputError(f"{path} is larger than {_oci.MAX_DOCUMENT} bytes", "Split it into several files.")
    try:
        return list(yaml.load_all(data, _loader()))
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{path} is no YAML that can be read ({reason})", "Correct it, or render it first.") from error


def _loader() -> t.Any:
    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # whichever there is
        """The safe loader, which takes tags such as Compose's C(!reset) for nothing instead of failing."""

    Loader.add_multi_constructor("!", lambda _loader, _tag, _node: None)
    return Loader


def _found(images: t.Sequence[str], path: str, what: str) -> list[str]:
    if not images:
        raise InputError(f"{path} names no image", f"Give {what}.")
    return list(dict.fromkeys(images))
