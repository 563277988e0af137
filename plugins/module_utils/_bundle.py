# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""A bundle, verified: what the files must be before anything in them is believed.

Steps, in this order, none of them skipped:

1. The names are those of a bundle (done by _layout when the files are opened).
2. SHA256SUMS is signed by somebody in allowed_signers.
3. SHA256SUMS names exactly the files that are there, each blob under its own digest.
4. The small files (layout, index, lock, docker manifest) have the checksums that were signed.
5. Every index, manifest and config has its digest and its size, and they fit each other and the lock.
6. Every layer is there in its size, or the lock says which base has it, or a delta restores it. Its content is verified where it is read (here on
   demand, or on the host).
"""

from __future__ import annotations

import concurrent.futures
import io
import os
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils import _layout, _oci, _signature
from ansible_collections.airlift.registry.plugins.module_utils._deltas import NO_DELTAS, Deltas, parse_deltas
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError, InputError, SignatureError
from ansible_collections.airlift.registry.plugins.module_utils._image import Image, Layer, select
from ansible_collections.airlift.registry.plugins.module_utils._lock import Lock, parse_lock
from ansible_collections.airlift.registry.plugins.module_utils._medium import ENCRYPTED_SUFFIX, naming_parts
from ansible_collections.airlift.registry.plugins.module_utils._reference import hex_of, parse_reference
from ansible_collections.airlift.registry.plugins.module_utils._referrers import (
    Referrer,
    check_closed,
    locked_referrers,
    make_referrer,
    parse_listing,
)

NAME_ANNOTATION = "io.containerd.image.name"

_GZIP_TRAILER = 4
_USUAL_RATIO = 3  # of a layer to its gzip or zstd
_MOST_RATIO = 20  # of a layer larger than 4 GiB to its gzip

_SUM_LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9./_-]+)")
_AGAIN = "Copy the bundle again from where it was made, or make it anew."


@dataclass(frozen=True)
class Bundle:
    """A bundle whose signature, index, manifests and configs are verified."""

    files: _layout.Files
    signer: str
    images: tuple[Image, ...]
    sums: t.Mapping[str, str]
    lock: Lock
    deltas: Deltas = NO_DELTAS
    referrers: tuple[Referrer, ...] = ()

    @property
    def id(self) -> str:
        """What other bundles know it by."""
        return f"sha256:{self.sums[_layout.LOCK]}"

    @property
    def name(self) -> str:
        """What people know it by: its file or directory, wherever that is, and whether it is encrypted or not."""
        return os.path.basename(os.path.abspath(self.files.path)).removesuffix(ENCRYPTED_SUFFIX)

    def select(self, names: t.Sequence[str]) -> tuple[Image, ...]:
        """The images of these names on all their platforms, all when I(names) is empty; raises InputError for one that is not here."""
        return select(self.images, names, f"Bundle {self.files.path}")


def load_bundle(path: str, allowed_signers: str, run: _signature.Run, unlock: _layout.Unlock | None = None) -> Bundle:
    """Open the bundle at I(path) and take steps 1 to 6; raises BundleError, SignatureError or InputError.

    An encrypted bundle needs I(unlock). When a bundle in parts is damaged, the error names the part.
    """
    with naming_parts(path):
        return _load(_layout.open_files(path, unlock), allowed_signers, run)


def _load(files: _layout.Files, allowed_signers: str, run: _signature.Run) -> Bundle:
    signer = _verify_signature(files, allowed_signers, run)
    sums = _verify_names(files)
    for name in _layout.HEAD:
        if name not in (_layout.SUMS, _layout.SIGNATURE) and (name in sums or name not in _layout.OPTIONAL):
            files.check_size(name, _layout.MAX_SMALL)
            verify_file(files, sums, name)
    lock = parse_lock(files.read(_layout.LOCK, _layout.MAX_SMALL))
    images = tuple(_images(files))
    deltas = _deltas(files, lock)
    _verify_layers(files, images, lock, deltas)
    _verify_lock(files, images, lock)
    return Bundle(files, signer, images, sums, lock, deltas, _referrers(files, images, lock))


def verify_file(files: _layout.Files, sums: t.Mapping[str, str], name: str) -> None:
    """Compare one file with its signed checksum, by streaming it."""
    found = files.digest(name)
    if found != sums.get(name):
        raise BundleError(
            f"{name} in bundle {files.path} is damaged: its sha256 is {found}, and {sums.get(name)} was signed", _AGAIN
        )


def verify_blobs(bundle: Bundle) -> list[BundleError]:
    """Verify the content of every blob that is there, on all cores; what is wrong, in the order of the names."""

    def problem(name: str) -> BundleError | None:
        try:
            verify_file(bundle.files, bundle.sums, name)
        except BundleError as error:
            owners = ", ".join(users[name]) or "what is attached to an image"
            return BundleError(f"{error.problem} (it belongs to {owners})", error.next_step)
        return None

    users = blob_users(bundle)
    # hashlib lets go of the interpreter's lock, so threads are enough.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return [error for error in pool.map(problem, sorted(users.keys() & bundle.sums.keys())) if error]


def blob_users(bundle: Bundle) -> dict[str, list[str]]:
    """The names of the images that use each blob, also one that was left out, by the blob's file name."""
    users: dict[str, list[str]] = {name: [] for name in bundle.sums if name.startswith(_layout.BLOBS)}
    for image in bundle.images:
        for blob in (image.manifest, image.config, *(layer.blob for layer in image.layers)):
            names = users.setdefault(_layout.blob_name(blob.digest), [])
            if image.name not in names:
                names.append(image.name)
    for delta in bundle.deltas.deltas:
        users[_layout.blob_name(delta.delta)] = users[_layout.blob_name(delta.digest)]
    return users


def format_sums(sums: t.Mapping[str, str]) -> bytes:
    """SHA256SUMS as sha256sum(1) writes it, sorted by name."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())).encode()


def _verify_signature(files: _layout.Files, allowed_signers: str, run: _signature.Run) -> str:
    if _layout.SIGNATURE not in files.sizes():
        raise SignatureError(
            f"Bundle {files.path} is not signed",
            "Make it with signing_key, or sign it: ssh-keygen -Y sign -n airlift-bundle -f KEY SHA256SUMS",
        )
    message = files.read(_layout.SUMS, _layout.MAX_SMALL)
    signature = files.read(_layout.SIGNATURE, _signature.MAX_SIGNATURE)
    return _signature.verify(message, signature, allowed_signers, f"Bundle {files.path}", run)


def _sum_lines(files: _layout.Files) -> t.Iterator[str]:
    """The lines as sha256sum(1) reads them, which knows no other end of a line."""
    for line in io.BytesIO(files.read(_layout.SUMS, _layout.MAX_SMALL)):
        yield line.removesuffix(b"\n").decode(errors="replace")


def _verify_names(files: _layout.Files) -> dict[str, str]:
    sums: dict[str, str] = {}
    for line in _sum_lines(files):
        match = _SUM_LINE.fullmatch(line)
        if not match:
            raise BundleError(
                f"SHA256SUMS in bundle {files.path} has a line that is no checksum: {line[:80]!r}", _AGAIN
            )
        if match[2] in sums:
            raise BundleError(f"SHA256SUMS in bundle {files.path} names {match[2]} twice", _AGAIN)
        sums[match[2]] = match[1]
    present = set(files.sizes()) - {_layout.SUMS, _layout.SIGNATURE}
    for name in sorted(present.symmetric_difference(sums)):
        problem = "is not in its signed checksums" if name in present else "is missing"
        raise BundleError(f"{name} in bundle {files.path} {problem}", _AGAIN)
    for name, digest in sums.items():
        if name.startswith(_layout.BLOBS) and name != _layout.BLOBS + digest:
            raise BundleError(f"{name} in bundle {files.path} was signed with another digest, {digest}", _AGAIN)
    return sums


def _images(files: _layout.Files) -> t.Iterator[Image]:
    what = f"index.json of bundle {files.path}"
    index = _oci.parse_document(files.read(_layout.INDEX, _oci.MAX_DOCUMENT), what)
    entries = index.get("manifests")
    if not isinstance(entries, list):
        raise BundleError(f"{what} lists no manifests", _AGAIN)
    names: set[str] = set()
    for entry in entries:
        descriptor = _oci.parse_descriptor(entry, f"An entry of {what}")
        annotations = entry.get("annotations")
        name = annotations.get(_oci.REF_ANNOTATION) if isinstance(annotations, dict) else None
        if not isinstance(name, str) or not _is_full_name(name):
            raise BundleError(f"Manifest {descriptor.digest} in {what} has no full name", _AGAIN)
        if name in names:
            raise BundleError(f"{what} names {name} twice", _AGAIN)
        names.add(name)
        yield from _named(files, name, descriptor)


def _is_full_name(text: str) -> bool:
    """Whether an engine can be told to give an image this name, and this name only."""
    try:
        reference = parse_reference(text)
    except InputError:
        return False
    return str(reference) == text and reference.tag is not None and reference.digest is None


def _named(files: _layout.Files, name: str, target: _oci.Descriptor) -> t.Iterator[Image]:
    """The images that one name means: one, or one for each platform of an index."""
    if target.media_type not in _oci.INDEX_TYPES:
        yield _image(files, name, target, None)
        return
    what = f"The index of {name}"
    entries = _oci.parse_index(read_document(files, target, what), what)
    for entry in entries:
        if entry.platform == _oci.NO_PLATFORM:
            _verify_artifact(files, entry.descriptor, f"The attestation of {name}")
        else:
            yield _image(files, name, entry.descriptor, target)


def _verify_artifact(files: _layout.Files, descriptor: _oci.Descriptor, what: str) -> None:
    for blob in _oci.parse_artifact(read_document(files, descriptor, what), what).blobs:
        _check_size(files, blob, what)


def _verify_lock(files: _layout.Files, images: t.Sequence[Image], lock: Lock) -> None:
    """The lock is what people and the next bundle go by, so it must tell the truth."""
    here = {(image.name, image.platform, image.manifest.digest, image.target.digest) for image in images}
    said = {(entry.name, entry.platform, entry.digest, entry.index or entry.digest) for entry in lock.images}
    layers = {
        (layer.blob.digest, layer.diff_id, layer.blob.size, _oci.compression_of(layer.blob.media_type))
        for image in images
        for layer in image.layers
    }
    blobs = {(entry.digest, entry.diff_id, entry.size, entry.compression or "gzip") for entry in lock.blobs}
    for name in sorted(entry[0] for entry in here.symmetric_difference(said)):
        raise BundleError(f"{name} is not the same in bundle.lock.yml and in index.json of bundle {files.path}", _AGAIN)
    for digest in sorted(entry[0] for entry in layers.symmetric_difference(blobs)):
        raise BundleError(
            f"Layer {digest} is not the same in bundle.lock.yml and in the images of bundle {files.path}", _AGAIN
        )


def _referrers(files: _layout.Files, images: t.Sequence[Image], lock: Lock) -> tuple[Referrer, ...]:
    """What refers to the images: all of it is there, and the lock says the same."""
    what = f"referrers.json of bundle {files.path}"
    is_there = _layout.REFERRERS in files.sizes()
    found = []
    for descriptor, name in parse_listing(files.read(_layout.REFERRERS, _oci.MAX_DOCUMENT), what) if is_there else ():
        of_this = f"Referrer {descriptor.digest}"
        referrer = make_referrer(read_document(files, descriptor, of_this), of_this, name)
        for blob in referrer.blobs:
            _check_size(files, blob, of_this)
        found.append(referrer)
    check_closed(found, images, what)
    if locked_referrers(found) != lock.referrers:
        raise BundleError(f"The referrers are not the same in bundle.lock.yml and in {what}", _AGAIN)
    return tuple(found)


def _image(files: _layout.Files, name: str, descriptor: _oci.Descriptor, index: _oci.Descriptor | None) -> Image:
    manifest = _oci.parse_manifest(
        read_document(files, descriptor, f"The manifest of {name}"), f"The manifest of {name}"
    )
    config = _oci.parse_config(read_document(files, manifest.config, f"The config of {name}"), f"The config of {name}")
    if len(config.diff_ids) != len(manifest.layers):
        raise BundleError(f"{name} has {len(manifest.layers)} layers and {len(config.diff_ids)} diffIDs", _AGAIN)
    layers = tuple(Layer(blob, diff_id) for blob, diff_id in zip(manifest.layers, config.diff_ids))
    return Image(name, descriptor, manifest.config, config.platform, config.created, layers, index)


def _deltas(files: _layout.Files, lock: Lock) -> Deltas:
    """The deltas, each of a layer of the lock, and with its blob."""
    if _layout.DELTAS not in files.sizes():
        return NO_DELTAS
    what = f"deltas.json of bundle {files.path}"
    deltas = parse_deltas(files.read(_layout.DELTAS, _oci.MAX_DOCUMENT), what)
    layers = {(blob.digest, blob.diff_id, blob.size) for blob in lock.blobs if not blob.base}
    for delta in deltas.deltas:
        if (delta.digest, delta.diff_id, delta.size) not in layers:
            raise BundleError(f"{what} has a delta for {delta.digest}, which is no layer of the bundle", _AGAIN)
        if files.sizes().get(_layout.blob_name(delta.delta)) != delta.delta_size:
            raise BundleError(f"Delta {delta.delta} is missing from bundle {files.path}, or has another size", _AGAIN)
    return deltas


def _verify_layers(files: _layout.Files, images: t.Sequence[Image], lock: Lock, deltas: Deltas) -> None:
    left_out = {*deltas.instead, *(blob.digest for blob in lock.blobs if blob.base)}
    for image in images:
        for layer in image.layers:
            if layer.blob.digest not in left_out:
                _check_size(files, layer.blob, image.name)
            elif _layout.blob_name(layer.blob.digest) in files.sizes():
                raise BundleError(
                    f"Layer {layer.blob.digest} is in bundle {files.path}, though it says that it was left out",
                    _AGAIN,
                )


def _check_size(files: _layout.Files, blob: _oci.Descriptor, what: str) -> None:
    if files.sizes().get(_layout.blob_name(blob.digest)) != blob.size:
        raise BundleError(
            f"Blob {blob.digest} of {what} is missing from bundle {files.path}, or has another size", _AGAIN
        )


def read_document(files: _layout.Files, descriptor: _oci.Descriptor, what: str) -> bytes:
    """A small document of the bundle that is what its descriptor says; raises BundleError."""
    data = files.read(_layout.blob_name(descriptor.digest), _oci.MAX_DOCUMENT)
    if len(data) != descriptor.size or _oci.digest_of(data) != descriptor.digest:
        raise BundleError(f"{what} in bundle {files.path} is damaged: {hex_of(descriptor.digest)} was expected", _AGAIN)
    return data


def unpacked_size(files: _layout.Files, layer: Layer) -> int:
    """About how many bytes the tar of a layer has: what gzip notes at its end (RFC 1952, ISIZE), modulo 4 GiB."""
    blob = layer.blob
    compression = _oci.compression_of(blob.media_type)
    if compression == "none" or blob.size < _GZIP_TRAILER:
        return blob.size
    if compression != "gzip":
        return usual_size(blob.size)
    trailer = b"".join(files.chunks(_layout.blob_name(blob.digest), blob.size - _GZIP_TRAILER, _GZIP_TRAILER))
    size = int.from_bytes(trailer, "little")
    # gzip never makes a layer larger by more than a little, so a smaller number has lost its upper digits,
    while size < blob.size * 9 // 10:
        size += 1 << 32
    # or is that of the last of several members, as stargz writes them.
    return size if size < 1 << 32 or size < blob.size * _MOST_RATIO else usual_size(blob.size)


def usual_size(compressed: int) -> int:
    """About how many bytes the tar of a layer has of which only the compressed size is known."""
    return compressed * _USUAL_RATIO
