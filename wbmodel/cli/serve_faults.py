"""The text of ``--fault``: ``status=429,retry-after=1,times=2`` and the like, into a fault and whom it is for."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wbmodel.errors import ConfigurationError, suggestion

if TYPE_CHECKING:
    from wbmodel.server import Fault

__all__ = ["WORDS", "parse_fault"]

WORDS = {
    "status": "the HTTP status, as in status=502",
    "retry-after": "the header Retry-After, in seconds",
    "header": "any header, as in header=X-Name:value",
    "body": "the text of the body",
    "type": "the content type",
    "execute": "the request is carried out although its answer is not sent",
    "keep": "the share of the body that is sent, as in keep=0.5",
    "reset": "the connection is reset: before, after or body",
    "stall": "seconds of silence",
    "stall-at": "where: headers or body",
    "rate": "bytes of the body per second",
    "html": "a web page in place of the answer",
    "null-data": "data is null",
    "null": "null at a path of the answer, as in null=project.runs.edges.0.node.name",
    "partial": "the same, with an error beside the rest",
    "error": "status 200 with this error",
    "redirect": "a redirect to a URL",
    "times": "how often: a number (1 without it), or all",
    "after": "how many requests that fit pass first",
    "operation": "only for requests of this operation name",
    "contains": "only for documents with this text",
    "kind": "only for a query or mutation",
    "method": "only for this HTTP method",
    "path": "only for this path (a final * is any rest; all: any path; /graphql without it)",
}
"""What may stand in ``--fault``, separated by commas (``\\,`` is a comma in a value)."""

_FLAGS = {"execute", "html", "null-data"}
_WHOLE = {"html", "null-data", "null", "partial", "error", "redirect"}
_CHOICES = {
    "reset": ("before", "after", "body"),
    "stall-at": ("headers", "body"),
    "kind": ("query", "mutation"),
}
_NUMBERS: dict[str, Callable[[str], float]] = {
    "status": int,
    "after": int,
    "keep": float,
    "stall": float,
    "rate": float,
}


def parse_fault(text: str) -> tuple[Fault, dict[str, Any]]:
    """The fault, and the other arguments of ``Faults.add``. Raises :class:`~wbmodel.errors.ConfigurationError`."""
    import attrs

    from wbmodel.server import Fault

    fields: dict[str, Any] = {}
    headers: dict[str, str] = {}
    rule: dict[str, Any] = {}
    whole: Fault | None = None
    for part in re.split(r"(?<!\\),", text):
        word, equals, value = part.replace("\\,", ",").partition("=")
        word = word.strip()
        if word not in WORDS:
            raise ConfigurationError(f"--fault {text!r}: there is no {word!r}{suggestion(word, WORDS, 'words')}")
        if bool(equals) is (word in _FLAGS):
            raise ConfigurationError(f"--fault {text!r}: {word} {'takes no value' if equals else 'needs a value'}")
        if word in _CHOICES and value not in _CHOICES[word]:
            raise ConfigurationError(f"--fault {text!r}: {word} is one of {', '.join(_CHOICES[word])}")
        if word in _WHOLE:
            if whole is not None:
                raise ConfigurationError(f"--fault {text!r}: {', '.join(sorted(_WHOLE))}: one of these only")
            whole = _whole(Fault, word, value)
        elif word == "retry-after":
            headers["Retry-After"] = value
        elif word == "header":
            name, _, content = value.partition(":")
            headers[name.strip()] = content.strip()
        elif word == "times":
            rule["times"] = None if value == "all" else _number(text, word, value, int)
        elif word == "path":
            rule["path"] = None if value == "all" else value
        elif word in ("operation", "contains", "kind", "method"):
            rule[word] = value
        elif word == "after":
            rule["after"] = _number(text, word, value, int)
        else:
            name = {"type": "content_type", "stall-at": "stall_at"}.get(word, word)
            number = _NUMBERS.get(word)
            fields[name] = True if word in _FLAGS else value if number is None else _number(text, word, value, number)
    made = attrs.evolve(whole, **fields) if whole is not None else Fault(**fields)
    if headers:
        made = attrs.evolve(made, headers={**made.headers, **headers})
    if made == Fault():
        raise ConfigurationError(f"--fault {text!r} does not say what goes wrong: status=502, say, or reset=before")
    return made, rule


def _whole(kind: type[Fault], word: str, value: str) -> Fault:
    makers: dict[str, Callable[[], Fault]] = {
        "html": kind.html,
        "null-data": kind.null_data,
        "null": lambda: kind.null(value),
        "partial": lambda: kind.partial(value),
        "error": lambda: kind.errors(value),
        "redirect": lambda: kind.redirect(value),
    }
    return makers[word]()


def _number(text: str, word: str, value: str, kind: Callable[[str], float]) -> float:
    try:
        number = kind(value)
    except ValueError:
        number = -1
    if not 0 <= number < 1e9 or (word == "status" and not 200 <= number <= 599):
        raise ConfigurationError(f"--fault {text!r}: {word} needs another value than {value!r}")
    return number
