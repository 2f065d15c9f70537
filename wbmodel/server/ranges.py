"""Parts of files: ``Range``, ``If-Range`` and ``ETag``, so that a download that broke off goes on where it stopped."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from wbmodel.server.answers import Answer
from wbmodel.server.errors import Refusal

__all__ = ["ranged"]

_RANGE = re.compile(r"bytes=(?:(\d+)-(\d*)|-(\d+))")


def ranged(answer: Answer, asked: Mapping[str, str]) -> Answer:
    """``answer``, which holds a whole file, with an ETag; or the part of it that was asked for (206).

    Several ranges, and ranges that cannot be read, are ignored, as HTTP allows. Raises a refusal with 416 for a range
    beyond the end.
    """
    etag = f'"{hashlib.md5(answer.body, usedforsecurity=False).hexdigest()}"'
    headers = {**answer.headers, "ETag": etag, "Accept-Ranges": "bytes"}
    found = _RANGE.fullmatch(asked.get("Range", "").replace(" ", ""))
    size = len(answer.body)
    if found is None or asked.get("If-Range", etag) != etag:
        return Answer(answer.status, answer.body, answer.content_type, headers)
    first, last, suffix = found.groups()
    begin = int(first) if suffix is None else max(size - int(suffix), 0)
    end = min(int(last) + 1, size) if last else size
    if last and int(last) < int(first or 0):
        return Answer(answer.status, answer.body, answer.content_type, headers)
    if begin >= size:
        raise Refusal(416, f"the file has {size} bytes", "RANGE_NOT_SATISFIABLE", {"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
    return Answer(206, answer.body[begin:end], answer.content_type, headers)
