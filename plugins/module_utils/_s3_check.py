# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Whether a bucket can carry a registry: the operations of CNCF Distribution's driver (registry/storage/driver/s3-aws/s3.go), each tried for real.

All happens below one prefix that nobody else has, and nothing of it stays.
"""

from __future__ import annotations

import time
import typing as t
from functools import partial

from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, StoreError
from ansible_collections.airlift.registry.plugins.module_utils._s3 import Answer, Bucket

_PART = b"\0" * (5 * 1024 * 1024)  # the smallest that S3 lets a part be, but for the last one
_SMALL = b"0123456789"
_DELETED_SECONDS = 10
_PAUSE = 0.05  # seconds from one look at the store to the next; it tells nobody when a listing changes
_NAMES = ("small", "parts", "copy", "part-copy", "aborted", "empty", "empty-part")
_WRONG = "A registry would lose images on this store: mend the store, or choose another one."


class S3Check:
    """Tries one operation after the other below I(prefix)."""

    def __init__(self, bucket: Bucket, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._uploads: list[tuple[str, str]] = []

    def reading(self) -> list[tuple[str, t.Callable[[], None]]]:
        """The operations that change nothing, by name."""
        return [("list objects", self._list_nothing), ("list uploads", self._list_no_uploads)]

    def writing(self) -> list[tuple[str, t.Callable[[], None]]]:
        """The operations that write, by name, in an order in which each needs only those before it."""
        return [
            ("put an object", self._put),
            ("list an object right after its write", self._list_written),
            ("read a range", self._range),
            ("upload in parts", self._multipart),
            ("copy an object", self._copy),
            ("copy a part", self._copy_part),
            ("abort an upload", self._abort),
            ("put an empty object", self._put_empty),
            ("delete objects", self._delete),
        ]

    def empty_part(self) -> None:
        """What the driver does for a blob of no bytes: an upload of one empty part."""
        upload = self._begin("empty-part")
        self._complete("empty-part", upload, [self._send("empty-part", upload, 1, b"")])
        self._expect_size("empty-part", 0)

    def remains(self) -> list[tuple[str, t.Callable[[], None]]]:
        """What removes all that was written, of operations that failed too, and on a store that lists or deletes badly."""
        uploads = [(key, {"uploadId": upload}) for key, upload in self._uploads]
        objects: list[tuple[str, dict[str, str]]] = [(self._key(name), {}) for name in _NAMES]
        return [(f"remove {key}", partial(self._remove, key, query)) for key, query in uploads + objects]

    def _remove(self, key: str, query: t.Mapping[str, str]) -> None:
        self._bucket.ask("DELETE", key, query, absent=True)

    def _list_nothing(self) -> None:
        self._expect("lists objects that nobody has written", self._listed(), [])

    def _list_no_uploads(self) -> None:
        self._expect("lists uploads that nobody has begun", self._listed_uploads(), [])

    def _put(self) -> None:
        self._bucket.ask("PUT", self._key("small"), body=_SMALL)
        self._expect_size("small", len(_SMALL))

    def _list_written(self) -> None:
        self._expect("does not list an object that was just written", self._listed(), [self._key("small")])
        after = self._listed(**{"start-after": self._key("small")})
        self._expect("lists more than what comes after a key (start-after)", after, [])

    def _range(self) -> None:
        answer = self._bucket.ask("GET", self._key("small"), headers={"range": "bytes=2-5"})
        self._expect("answers something else to a range", (answer.status, answer.body), (206, _SMALL[2:6]))

    def _multipart(self) -> None:
        upload = self._begin("parts")
        self._expect("does not list an upload that was just begun", self._listed_uploads(), [upload])
        tags = [self._send("parts", upload, number, part) for number, part in enumerate((_PART, _SMALL), 1)]
        listed = self._bucket.ask("GET", self._key("parts"), {"uploadId": upload}).values("ETag")
        self._expect("does not list parts that were just sent", listed, tags)
        self._complete("parts", upload, tags)
        self._expect_size("parts", len(_PART) + len(_SMALL))

    def _copy(self) -> None:
        self._bucket.ask("PUT", self._key("copy"), headers=self._source("small"))
        answer = self._bucket.ask("GET", self._key("copy"))
        self._expect("makes copies that differ", answer.body, _SMALL)

    def _copy_part(self) -> None:
        upload = self._begin("part-copy")
        headers = {**self._source("parts"), "x-amz-copy-source-range": f"bytes=0-{len(_PART) - 1}"}
        query = {"partNumber": "1", "uploadId": upload}
        answer = self._bucket.ask("PUT", self._key("part-copy"), query, headers)
        self._complete("part-copy", upload, answer.values("ETag"))
        self._expect_size("part-copy", len(_PART))

    def _abort(self) -> None:
        upload = self._begin("aborted")
        self._bucket.ask("DELETE", self._key("aborted"), {"uploadId": upload})
        self._expect("lists an upload that was just aborted", self._listed_uploads(), [])

    def _put_empty(self) -> None:
        self._bucket.ask("PUT", self._key("empty"))
        self._expect_size("empty", 0)

    def _delete(self) -> None:
        self._bucket.delete(self._listed())
        gone = self._bucket.ask("HEAD", self._key("small"), absent=True)
        self._expect("finds an object that was just deleted", gone.status, 404)
        # No registry relies on when. A Garage of three nodes may list what was deleted for a tenth of a second more.
        end = time.monotonic() + _DELETED_SECONDS
        while (listed := self._listed()) and time.monotonic() < end:
            time.sleep(_PAUSE)
        self._expect("goes on to list objects that were deleted", listed, [])

    def _begin(self, name: str) -> str:
        answer = self._bucket.ask("POST", self._key(name), {"uploads": ""})
        (upload,) = answer.values("UploadId") or [""]
        self._expect("begins an upload without an ID", bool(upload), True)
        self._uploads.append((self._key(name), upload))
        return upload

    def _send(self, name: str, upload: str, number: int, part: bytes) -> str:
        query = {"partNumber": str(number), "uploadId": upload}
        return self._bucket.ask("PUT", self._key(name), query, body=part).headers.get("etag", "")

    def _complete(self, name: str, upload: str, tags: t.Sequence[str]) -> None:
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>" for number, tag in enumerate(tags, 1)
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        self._bucket.ask("POST", self._key(name), {"uploadId": upload}, body=body)

    def _listed(self, **query: str) -> list[str]:
        return self._bucket.ask("GET", query={"list-type": "2", "prefix": self._prefix, **query}).values("Key")

    def _listed_uploads(self) -> list[str]:
        return self._bucket.ask("GET", query={"uploads": "", "prefix": self._prefix}).values("UploadId")

    def _expect_size(self, name: str, size: int) -> None:
        answer: Answer = self._bucket.ask("HEAD", self._key(name))
        self._expect(f"has another size for {name}", answer.headers.get("content-length"), str(size))

    def _expect(self, problem: str, found: object, wanted: object) -> None:
        if found != wanted:
            raise StoreError(f"{self._bucket.place} {problem}", _WRONG)

    def _key(self, name: str) -> str:
        return f"{self._prefix}{name}"

    def _source(self, name: str) -> dict[str, str]:
        return {"x-amz-copy-source": f"/{self._bucket.name}/{self._key(name)}"}


class Tried(t.NamedTuple):
    """An operation, and why it does not work."""

    name: str
    error: AirliftError | None


def try_until_error(operations: t.Iterable[tuple[str, t.Callable[[], None]]]) -> list[Tried]:
    """Try operations up to the first that does not work."""
    tried = []
    for name, operation in operations:
        tried.append(try_one(name, operation))
        if tried[-1].error:
            break
    return tried


def try_one(name: str, operation: t.Callable[[], None]) -> Tried:
    """Try an operation."""
    try:
        operation()
    except AirliftError as error:
        return Tried(name, error)
    return Tried(name, None)
