"""A key in every form in which servers and tools write it, and everything that shows an error: for tests that look."""

from __future__ import annotations

import base64
import copy
import functools
import io
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from urllib.parse import quote

from rich.console import Console
from rich.traceback import Traceback

__all__ = ["KEYS", "Held", "forms", "leaks", "of_error", "of_frames", "raised"]

KEYS = {
    "short": "k3Y!p4ss",
    "40 characters": "0123456789abcdef0123456789abcdef01234567",
    "105 characters": "local-" + "Zq7" * 33,
    "quotes": "a1\"b2\\c3'd4\"e5\\\\f6'g7",
}
SHOWN_AT_MOST = 7


class Held:
    """A key that the variables of the tests' own frames do not show."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __repr__(self) -> str:
        return "<Held>"


def forms(key: str) -> dict[str, str]:
    """The key as servers and tools write it."""
    raw = key.encode()
    return {
        "plain": key,
        "header": base64.b64encode(b"api:" + raw).decode(),
        "unpadded": base64.b64encode(b"api:" + raw).decode().rstrip("="),
        "base64": base64.b64encode(raw).decode().rstrip("="),
        "shifted": base64.b64encode(b"x" + raw).decode().rstrip("=")[2:],
        "url-safe": base64.urlsafe_b64encode(raw).decode(),
        "percent": quote(key, safe=""),
        "all percent": "".join(f"%{byte:02x}" for byte in raw),
        "json": json.dumps(key)[1:-1],
        "unicode": "".join(f"\\u{ord(char):04X}" for char in key),
        "html": "".join(f"&#{ord(char)};" for char in key),
        "hex": raw.hex(),
        "repr": repr(raw)[2:-1],
        "lines": "\n".join(key[at : at + 5] for at in range(0, len(key), 5)),
    }


def leaks(text: str, key: str) -> list[str]:
    """The forms of which ``text`` shows more than a few characters in a row."""
    pieces = windows(text)
    return [name for name, form in _windows_of(key).items() if not pieces.isdisjoint(form)]


@functools.lru_cache
def _windows_of(key: str) -> dict[str, set[str]]:
    return {name: windows(form) for name, form in forms(key).items()}


def windows(text: str) -> set[str]:
    size = SHOWN_AT_MOST + 1
    return {text[at : at + size] for at in range(max(1, len(text) - size + 1))}


def of_error(error: BaseException, rich: bool) -> dict[str, str]:
    """Everything that shows an error."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    record = logging.LogRecord(
        "x", logging.ERROR, __file__, 1, "failed: %s", (error,), (type(error), error, error.__traceback__)
    )
    found = {
        "str": str(error),
        "repr": repr(error),
        "args": repr(error.args),
        "attributes": repr(vars(error)),
        "traceback": "".join(traceback.format_exception(error)),
        "traceback with variables": "".join(shown.format()),
        "log record": logging.Formatter().format(record),
        "cause": repr(error.__cause__),
        "context": repr(error.__context__),
        "pickle": pickle.dumps(error).decode("latin-1"),
        "pickle, loaded": repr(vars(pickle.loads(pickle.dumps(error)))),
        "copy": str(copy.copy(error)),
    }
    if rich:
        file = io.StringIO()
        made = Traceback.from_exception(
            type(error),
            error,
            error.__traceback__,
            show_locals=True,
            extra_lines=0,
            locals_max_string=1000,
            locals_max_length=100,
        )
        Console(file=file, width=400, color_system=None).print(made)
        found["rich traceback"] = file.getvalue()
    return found


def raised(call: Callable[[], object]) -> BaseException:
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("there was no error")


def of_frames(error: BaseException) -> Iterator[tuple[str, str]]:
    """The variables of every frame that an error went through."""
    at, number = error.__traceback__, 0
    while at is not None:
        held = at.tb_frame.f_locals.items()
        shown = "\n".join(f"{name} = {value!r}" for name, value in held)
        yield f"variables of frame {number}, {at.tb_frame.f_code.co_name}", shown
        at, number = at.tb_next, number + 1
