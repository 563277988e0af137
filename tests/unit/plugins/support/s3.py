# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An S3 store of one bucket that checks signatures, and misbehaves when a test wants it."""

from __future__ import annotations

import hashlib
import re
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from ansible_collections.airlift.registry.tests.unit.plugins.support.servers import Handler, serving

BUCKET, REGION, ACCESS_KEY, SECRET_KEY = "images", "here", "reader", "s3cret/+="
NOT_KEPT = ("authorization", "connection", "user-agent", "accept-encoding", "content-length", "content-type")


@dataclass
class Store:
    """What is in the bucket. I(faults) has names of requests (see C(S3Handler.name)) with the status and code that they get."""

    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, tuple[str, dict[int, bytes]]] = field(default_factory=dict)  # key and parts, by ID
    faults: dict[str, tuple[int, str]] = field(default_factory=dict)
    forgetful: set[str] = field(default_factory=set)  # names of requests that are answered well, and do nothing
    lingers: int = 0  # how many listings go on to have what was deleted
    deleted: set[str] = field(default_factory=set)
    seen: list[str] = field(default_factory=list)

    def tidy(self) -> bool:
        return not self.objects and not self.uploads


class S3Handler(Handler):
    store: Store

    def handle_request(self) -> None:
        parts = urlsplit(self.path)
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.key = unquote(parts.path).removeprefix(f"/{BUCKET}/")
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name = self.name()
        self.store.seen.append(name)
        if not self._signed():
            self._error(403, "SignatureDoesNotMatch")
        elif name in self.store.faults:
            self._error(*self.store.faults[name])
        elif name in self.store.forgetful:
            self.answer(200, b"<UploadId>none</UploadId>", ETag='"none"')
        else:
            getattr(self, f"do_{name.lower()}")()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_request

    def name(self) -> str:
        """The name of the request in the API's reference."""
        if not self.key:
            return {"POST": "DeleteObjects"}.get(
                self.command, "ListMultipartUploads" if "uploads" in self.query else "ListObjectsV2"
            )
        copied = "Copy" if "x-amz-copy-source" in self.headers else ""
        if "partNumber" in self.query:
            return f"UploadPart{copied}" if copied or self.body else "UploadEmptyPart"
        if "uploads" in self.query:
            return "CreateMultipartUpload"
        if "uploadId" in self.query:
            ways = {"GET": "ListParts", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}
            return ways[self.command]
        if copied:
            return "CopyObject"
        return f"{self.command.capitalize()}Object"

    def _signed(self) -> bool:
        kept = {name: value for name, value in self.headers.items() if name.lower() not in NOT_KEPT}
        request = AWSRequest(self.command, f"http://{self.headers['Host']}{self.path}", headers=kept)
        auth = S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", REGION)
        request.context["timestamp"] = self.headers.get("X-Amz-Date", "")
        signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        whole = self.headers.get("X-Amz-Content-SHA256") == hashlib.sha256(self.body).hexdigest()
        return whole and str(self.headers["Authorization"]).endswith(f"Signature={signature}")

    def do_listobjectsv2(self) -> None:
        after = self.query.get("start-after", "")
        lingering: set[str] = set()
        if self.store.deleted and self.store.lingers:
            self.store.lingers -= 1
            lingering = self.store.deleted
        keys = sorted(
            key for key in {*self.store.objects, *lingering} if key.startswith(self.query["prefix"]) and key > after
        )
        self.answer(200, "".join(f"<Contents><Key>{key}</Key></Contents>" for key in keys).encode())

    def do_listmultipartuploads(self) -> None:
        found = [entry for entry, (key, _) in self.store.uploads.items() if key.startswith(self.query["prefix"])]
        self.answer(200, "".join(f"<UploadId>{entry}</UploadId>" for entry in found).encode())

    def do_putobject(self) -> None:
        self.store.objects[self.key] = self.body
        self.answer(200)

    def do_headobject(self) -> None:
        found = self.store.objects.get(self.key)
        self.answer(404 if found is None else 200, found or b"")

    def do_getobject(self) -> None:
        found = self.store.objects[self.key]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        self.answer(206, found[int(wanted[1]) : int(wanted[2]) + 1]) if wanted else self.answer(200, found)

    def do_deleteobject(self) -> None:
        self.store.objects.pop(self.key, None)
        self.answer(204)

    def do_deleteobjects(self) -> None:
        for key in re.findall(rb"<Key>([^<]*)</Key>", self.body):
            self.store.objects.pop(key.decode(), None)
            self.store.deleted.add(key.decode())
        self.answer(200)

    def do_createmultipartupload(self) -> None:
        upload = f"upload-{len(self.store.seen)}"
        self.store.uploads[upload] = (self.key, {})
        self.answer(200, f"<UploadId>{upload}</UploadId>".encode())

    def do_uploadpart(self) -> None:
        self._keep(self.body)
        self.answer(200, ETag=tag(self.body))

    do_uploademptypart = do_uploadpart

    def do_uploadpartcopy(self) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["X-Amz-Copy-Source-Range"])
        assert wanted
        part = self._source()[int(wanted[1]) : int(wanted[2]) + 1]
        self._keep(part)
        self.answer(200, f"<ETag>{tag(part).replace(chr(34), '&quot;')}</ETag>".encode())

    def do_listparts(self) -> None:
        _key, parts = self.store.uploads[self.query["uploadId"]]
        self.answer(200, "".join(f"<ETag>{tag(parts[number])}</ETag>" for number in sorted(parts)).encode())

    def do_completemultipartupload(self) -> None:
        key, parts = self.store.uploads.pop(self.query["uploadId"])
        wanted = [found.decode() for found in re.findall(rb"<ETag>([^<]*)</ETag>", self.body)]
        if wanted == [tag(parts[number]) for number in sorted(parts)]:
            self.store.objects[key] = b"".join(parts[number] for number in sorted(parts))
            self.answer(200)
        else:
            # Amazon's store says so too when it has begun to answer already.
            self._error(200, "InvalidPart")

    def do_abortmultipartupload(self) -> None:
        found = self.store.uploads.pop(self.query["uploadId"], None)
        self.answer(204) if found else self._error(404, "NoSuchUpload")

    def do_copyobject(self) -> None:
        self.store.objects[self.key] = self._source()
        self.answer(200)

    def _source(self) -> bytes:
        return self.store.objects[self.headers["X-Amz-Copy-Source"].removeprefix(f"/{BUCKET}/")]

    def _keep(self, part: bytes) -> None:
        self.store.uploads[self.query["uploadId"]][1][int(self.query["partNumber"])] = part

    def _error(self, status: int, code: str) -> None:
        self.answer(status, f"<Error><Code>{code}</Code></Error>".encode())


def tag(part: bytes) -> str:
    return f'"{hashlib.sha256(part).hexdigest()}"'


@contextmanager
def s3_server(store: Store) -> t.Iterator[str]:
    """Serve I(store) on loopback; its endpoint."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundS3Handler", (S3Handler,), {"store": store}))
    server.daemon_threads = True
    with serving(server):
        yield f"http://127.0.0.1:{server.server_address[1]}"
