"""``Faults``: everything that can go wrong between a server and its clients, by switch and by script, for tests.

A :class:`Fault` says what happens to one request. :class:`Faults` holds a latency for all requests and an ordered
script of rules; the first rule that fits a request and has times left is played. Both may be changed while the server
runs, from any thread.

>>> faults = Faults(latency=0.05)
>>> rule = faults.add(status=429, headers={"Retry-After": "1"}, times=2, kind="query")
>>> rule = faults.add(Fault.reset_after(), contains="upsertBucket")
>>> faults.pick("POST", "/graphql", "Runs", "query Runs { viewer { id } }", "query").status
429

Whether the engine carries out the request is part of each fault: see :attr:`Fault.execute`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import attrs

if TYPE_CHECKING:
    from aiohttp import web

    from wbmodel.server.injection import Exchange

from wbmodel import forks

__all__ = ["Fault", "Faults", "Rule"]

When = Callable[[str | None, str], object]
"""``when(operation, document)``: the operation's name (None without one) and the text of the document."""


@attrs.frozen(slots=True, kw_only=True)
class Fault:
    """What happens to one request. Fields may be combined; the static methods make the usual ones.

    The order of things: ``reset="before"``; the stall (unless :attr:`execute`); execution, if any; the stall (if
    :attr:`execute`); ``reset="after"``; then the answer with :attr:`status`, :attr:`headers`, :attr:`body` and so on
    in place of the true ones, sent as :attr:`rate`, ``stall_at="body"`` and ``reset="body"`` say.
    """

    status: int | None = None
    """The HTTP status. Without :attr:`body`, the body is a GraphQL error that names the status."""

    headers: Mapping[str, str] = attrs.field(factory=dict)
    """Headers beside (and in place of) the usual ones."""

    body: bytes | str | Mapping[str, Any] | None = None
    """The body; a mapping is sent as JSON. None: the true answer, or the error text where a status is given."""

    content_type: str | None = None
    """In place of ``application/json``."""

    execute: bool = False
    """Whether the engine carries the request out although its answer is not sent: then a mutation has happened.

    False with a status or body of the fault's own: nothing is carried out. Where the true answer is needed (``edit``,
    ``keep``, ``rate``, ``reset="after"``, a stall), the request is carried out either way; with a stall, False means
    after the stall and only if the client is still there, True means before it."""

    edit: Callable[[dict[str, Any]], Any] | None = None
    """Makes another answer of the true one (``{"data": ..., "errors": [...]}``; may change it in place and return
    None). Errors that it raises are status 500."""

    keep: float = 1.0
    """The share of the body that is sent, as a complete HTTP answer: JSON that ends early."""

    reset: Literal["before", "after", "body"] | None = None
    """The connection is reset (TCP RST): ``before`` anything is done, ``after`` the request has been carried out and
    before a byte of the answer, or in the middle of the ``body``."""

    stall: float = 0.0
    """Seconds of silence. A server that stops ends a stall by a reset."""

    stall_at: Literal["headers", "body"] = "headers"
    """Where: before the headers, or after half of the body."""

    rate: float | None = None
    """Bytes of the body per second."""

    @property
    def needs_answer(self) -> bool:
        """Whether the request has to be carried out."""
        if self.reset == "before":
            return False
        own = self.status is not None or self.body is not None
        return self.execute or self.edit is not None or self.reset == "after" or not own

    async def play(self, exchange: Exchange) -> web.StreamResponse:
        """Do it to one request. The server calls this."""
        from wbmodel.testing.fault_play import play

        return await play(self, exchange)

    # -- the usual ones ----------------------------------------------------------------------------

    @staticmethod
    def html(status: int = 200, text: str = "<!doctype html><title>Sign in</title><p>Please sign in.") -> Fault:
        """A web page in place of the answer, as a login proxy gives it. Nothing is carried out."""
        return Fault(status=status, body=text, content_type="text/html; charset=utf-8")

    @staticmethod
    def truncated(keep: float = 0.5) -> Fault:
        """The true answer, cut short in a well-formed HTTP answer: no JSON. The request is carried out."""
        return Fault(keep=keep)

    @staticmethod
    def wrong_type(content_type: str = "text/plain; charset=utf-8") -> Fault:
        """The true answer under another content type. The request is carried out."""
        return Fault(content_type=content_type)

    @staticmethod
    def null_data() -> Fault:
        """``{"data": null}`` with status 200. Nothing is carried out."""
        return Fault(status=200, body={"data": None})

    @staticmethod
    def null(path: str) -> Fault:
        """The true answer with null at ``path``, as in ``project.runs.edges.*.node.name`` (``*``: in each item of a
        list, a number: in that one). The request is carried out; a path that is not there is status 500."""
        return Fault(edit=lambda answer: put_null(answer["data"], path))

    @staticmethod
    def errors(*messages: str, code: str | None = None) -> Fault:
        """Status 200 with GraphQL ``errors`` and ``data`` null. Nothing is carried out."""
        found = [{"message": text, **({"extensions": {"code": code}} if code else {})} for text in messages]
        return Fault(status=200, body={"data": None, "errors": found or [{"message": "a fault was asked for"}]})

    @staticmethod
    def partial(path: str, message: str = "this part failed") -> Fault:
        """The true answer with null at ``path`` and an error for it beside the rest. The request is carried out."""

        def edit(answer: dict[str, Any]) -> None:
            put_null(answer["data"], path)
            steps = [int(step) if step.isdecimal() else step for step in path.split(".")]
            answer.setdefault("errors", []).append({"message": message, "path": steps})

        return Fault(edit=edit)

    @staticmethod
    def reset_before() -> Fault:
        """The connection is reset once the request has been read. Nothing is carried out."""
        return Fault(reset="before")

    @staticmethod
    def reset_after() -> Fault:
        """The request is carried out and its answer is lost: the connection is reset."""
        return Fault(reset="after")

    @staticmethod
    def reset_in_body() -> Fault:
        """The request is carried out and the connection is reset in the middle of the body."""
        return Fault(reset="body")

    @staticmethod
    def stalled(seconds: float, at: Literal["headers", "body"] = "headers", *, execute: bool = False) -> Fault:
        """Silence of so many seconds, then the true answer. See :attr:`execute` for when the work is done."""
        return Fault(stall=seconds, stall_at=at, execute=execute)

    @staticmethod
    def redirect(url: str, status: int = 307) -> Fault:
        """A redirect to ``url``. Nothing is carried out."""
        return Fault(status=status, headers={"Location": url}, body="")

    @staticmethod
    def slow(bytes_per_second: float) -> Fault:
        """The true answer, so slowly. The request is carried out."""
        return Fault(rate=bytes_per_second)


@attrs.define(slots=True, eq=False, kw_only=True)
class Rule:
    """A fault in the script, and which requests it is for. ``played`` counts how often it was played."""

    fault: Fault
    times: int | None
    after: int
    when: When | None
    operation: str | None
    contains: str | None
    kind: Literal["query", "mutation"] | None
    method: str | None
    path: str | None
    played: int = 0
    passed: int = 0

    @property
    def spent(self) -> bool:
        """Whether it has been played as often as it was to be."""
        return self.times is not None and self.played >= self.times

    def fits(self, method: str, path: str, operation: str | None, document: str, kind: str | None) -> bool:
        """Whether it is for this request."""
        if (
            self.path is not None
            and path != self.path
            and not (self.path.endswith("*") and path.startswith(self.path[:-1]))
        ):
            return False
        if (
            self.method not in (None, method)
            or self.operation not in (None, operation)
            or self.kind not in (None, kind)
        ):
            return False
        if self.contains is not None and self.contains not in document:
            return False
        return self.when is None or bool(self.when(operation, document))


class Faults:
    """The latency of all requests, and the script of faults. Safe to change from any thread while the server runs."""

    def __init__(self, *, latency: float = 0.0) -> None:
        self.latency = latency
        """Seconds that every request waits before it is looked at, as on a long way to the server."""
        self._rules: list[Rule] = []
        self._lock = forks.lock()

    @property
    def active(self) -> bool:
        """Whether there is a script."""
        return bool(self.rules)

    @property
    def rules(self) -> Sequence[Rule]:
        """The script, in order, with the rules that are spent."""
        with self._lock:
            return tuple(self._rules)

    def add(
        self,
        fault: Fault | None = None,
        /,
        *,
        times: int | None = 1,
        after: int = 0,
        when: When | None = None,
        operation: str | None = None,
        contains: str | None = None,
        kind: Literal["query", "mutation"] | None = None,
        method: str | None = None,
        path: str | None = "/graphql",
        **fields: Any,
    ) -> Rule:
        """Add a fault to the end of the script: a :class:`Fault`, or its fields (``status=502``).

        It is played ``times`` times (None: for ever) after ``after`` requests that fit have passed. A request fits
        when all that is given is so: ``operation`` is its operation name, ``contains`` is in its document, ``kind`` is
        what it is (None for what is no GraphQL), ``method`` is its HTTP method, ``path`` its path (a final ``*``
        stands for any rest; None: any path), and ``when(operation, document)`` is true.
        """
        made = Fault(**fields) if fault is None else attrs.evolve(fault, **fields)
        rule = Rule(
            fault=made,
            times=times,
            after=after,
            when=when,
            operation=operation,
            contains=contains,
            kind=kind,
            method=method,
            path=path,
        )
        with self._lock:
            self._rules.append(rule)
        return rule

    def remove(self, rule: Rule) -> None:
        """Take a rule out of the script."""
        with self._lock:
            self._rules = [item for item in self._rules if item is not rule]

    def clear(self) -> None:
        """Forget the script, and the latency."""
        with self._lock:
            self._rules, self.latency = [], 0.0

    def pick(self, method: str, path: str, operation: str | None, document: str, kind: str | None) -> Fault | None:
        """The fault for a request, which counts as played; None: nothing goes wrong. The server calls this."""
        for rule in self.rules:
            # A predicate of the test's own may take its time, or look at this script: it is called without the lock.
            if rule.spent or not rule.fits(method, path, operation, document, kind):
                continue
            with self._lock:
                if rule.spent:
                    continue
                if rule.passed < rule.after:
                    rule.passed += 1
                    continue
                rule.played += 1
            return rule.fault
        return None


def put_null(data: Any, path: str) -> None:
    """Set null at ``path`` in decoded JSON. Raises ``LookupError`` where there is nothing at it."""
    head, _, rest = path.partition(".")
    keys: Sequence[Any]
    if isinstance(data, list):
        keys = range(len(data)) if head == "*" else [int(head)] if head.isdecimal() and int(head) < len(data) else []
    else:
        keys = [head] if isinstance(data, dict) and head in data else []
    if not keys:
        raise LookupError(f"the answer has nothing at {path!r}")
    for key in keys:
        if rest:
            put_null(data[key], rest)
        else:
            data[key] = None
