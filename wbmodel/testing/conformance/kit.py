"""``Kit``, through which cases query the backend: querysets, raw documents and doors, sync or async."""

from __future__ import annotations

import contextlib
import itertools
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from wbmodel.backend.asks import Ask, Fetch, Open, Read, Request, Response
from wbmodel.errors import QueryWarning, WbmodelError
from wbmodel.operations.answer import asked, items
from wbmodel.testing.conformance.bench import Bench
from wbmodel.testing.conformance.cases import Nonconforming
from wbmodel.testing.world import KEYS, World, parts_of

if TYPE_CHECKING:
    from wbmodel.backend import Backend, Capabilities
    from wbmodel.objects.history import HistorySet
    from wbmodel.objects.queryset import QuerySet
    from wbmodel.operations.answer import Operation
    from wbmodel.session.session import Session

__all__ = ["Kit", "alike", "shown"]

About = Callable[[Any], str]


def _nothing(_: Any) -> str:
    return ""


class Kit:
    """The bench as one case sees it, in one ``colour``: ``sync`` requests use ``execute``, and ``async`` ones use
    ``aexecute`` on an event loop of the kit."""

    def __init__(self, bench: Bench, colour: str, session: Session | None = None) -> None:
        self.bench, self.colour = bench, colour
        self.session = session or bench.session
        """The session to the backend. Its project is the world's main one, unless another session was passed."""

    # -- what there is -----------------------------------------------------------------------------

    @property
    def world(self) -> World:
        """The world that the backend was filled with."""
        return self.bench.world

    @property
    def backend(self) -> Backend:
        """The backend itself."""
        return self.session.backend

    @property
    def capabilities(self) -> Capabilities:
        """What the backend promises."""
        return self.session.capabilities

    def objects(self, name: str) -> QuerySet[Any, Any]:
        """The queryset of an entity class over the part of the world that :meth:`rows` gives."""
        import wbmodel

        rows: QuerySet[Any, Any] = getattr(wbmodel, name).objects.using(self.session)
        if name == "Project":
            return rows.filter(entity=self.world.entity)
        if name == "File":
            return rows.filter(run=f"{self.world.project}/e-one")
        return rows

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The plain rows that :meth:`objects` must give."""
        if name == "Project":
            return [item for item in self.world.rows("Project") if item["entity"] == self.world.entity]
        if name == "File":
            return self.world.files(self.world.run("e-one"))
        return self.world.rows(name)

    def there(self, *names: str) -> list[str]:
        """Those of these entity classes that the world has rows of."""
        return [name for name in names if self.world.parts.issuperset(parts_of(name))]

    def key(self, name: str) -> str:
        """The attribute that identifies the rows of an entity class."""
        return KEYS[name]

    def needs(self, *, parts: Iterable[str] = (), flags: Iterable[str] = ()) -> None:
        """Skip the test if the world lacks a part, or if the backend does not promise a capability."""
        if lacking := sorted(set(parts) - self.world.parts):
            pytest.skip(f"the world was loaded without {', '.join(lacking)}")
        if off := sorted(flag for flag in flags if not getattr(self.capabilities, flag)):
            pytest.skip(f"the backend does not promise {', '.join(off)}")

    # -- asking, in the kit's colour ---------------------------------------------------------------

    def wait(self, awaitable: Any) -> Any:
        """The result of an awaitable, on the kit's event loop."""

        async def run() -> Any:
            return await awaitable

        return self.bench.loop.run(run())

    def all(self, rows: QuerySet[Any, Any], *, quiet: bool = True) -> list[Any]:
        """All rows of a queryset, queried again. ``quiet`` suppresses the warnings about backends that promise little,
        which are expected here."""
        fresh = rows.all()
        with warnings.catch_warnings():
            if quiet:
                warnings.simplefilter("ignore", QueryWarning)
            if self.colour == "sync":
                return list(fresh)

            async def collect() -> list[Any]:
                return [row async for row in fresh]

            return list(self.bench.loop.run(collect()))

    def names(self, name: str, rows: QuerySet[Any, Any], *, quiet: bool = True) -> list[Any]:
        """The keys of the rows of an entity class, in order. Rows that are not from the world are left out, because a
        server may have other users, entities and projects."""
        key = self.key(name)
        if name == "Artifact":  # the name of a version is made of two fields
            return [row.name for row in self.all(rows.only("version_index", "collection"), quiet=quiet)]
        found = self.all(rows.values_list(key, flat=True), quiet=quiet)
        if name in ("Project", "User", "Entity"):
            ours = {row[key] for row in self.rows(name)}
            return [item for item in found if item in ours]
        return found

    def ask(self, owner: Any, method: str, *args: Any, **named: Any) -> Any:
        """Call a method that has a twin: ``ask(rows, "count")`` is ``rows.count()`` or ``await rows.acount()``."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", QueryWarning)
            if self.colour == "sync":
                return getattr(owner, method)(*args, **named)
            return self.wait(getattr(owner, f"a{method}")(*args, **named))

    def answer(self, ask: Ask) -> Any:
        """The backend's answer to ``ask``, through the session."""
        return self.ask(self.session, "run", asked(ask))

    def items(self, ask: Read | Open | Fetch) -> list[Any]:
        """The items of a stream, taken through the session."""
        return self.emitted(items(ask))

    def emitted(self, operation: Operation[None]) -> list[Any]:
        """All that an operation emits."""
        if self.colour == "sync":
            return [item for some in self.session.iterate(operation) for item in some]

        async def collect() -> list[Any]:
            return [item async for some in self.session.aiterate(operation) for item in some]

        return list(self.bench.loop.run(collect()))

    def taken(self, rows: HistorySet, count: int | None = None) -> list[dict[str, Any]]:
        """The rows of a history, or the first ``count`` of them: then reading is given up there."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", QueryWarning)
            if self.colour == "sync":
                with contextlib.closing(rows.iterator()) as found:  # type: ignore[type-var]  # a generator
                    return list(itertools.islice(found, count))

            async def collect() -> list[dict[str, Any]]:
                some: list[dict[str, Any]] = []
                async with contextlib.aclosing(rows.aiterator()) as found:  # type: ignore[type-var]
                    async for row in found:
                        some.append(row)
                        if len(some) == count:
                            break
                return some

            return list(self.bench.loop.run(collect()))

    # -- raw documents -----------------------------------------------------------------------------

    def response(self, text: str, variables: Mapping[str, Any] | None = None, operation: str | None = None) -> Response:
        """The backend's own answer to a valid document, including errors. Does not use the session."""
        try:
            return self.ask_raw(text, variables, operation)
        except WbmodelError as error:
            told = f"a right document made execute() raise {type(error).__name__}: {error}"
            raise Nonconforming(f"{told}\nthe document: {' '.join(text.split())}") from error

    def ask_raw(self, text: str, variables: Mapping[str, Any] | None, operation: str | None = None) -> Response:
        """The backend's own answer to a document, or the error that it raises."""
        found: object = self.ask(self.backend, "execute", Request(text, dict(variables or {}), operation))
        if not isinstance(found, Response):
            self.fail(f"execute() gave {found!r} and not a Response")
        return found

    def data(self, text: str, /, **variables: Any) -> dict[str, Any]:
        """The data of an answer that must not contain errors."""
        response = self.response(text, variables)
        if response.errors:
            words = "; ".join(str(error.get("message", error)) for error in response.errors)
            self.fail(f"a document of the schema was refused: {words}", document=text, variables=variables)
        if not isinstance(response.data, dict):
            self.fail(f"the answer's data is {shown(response.data)} and not an object", document=text)
        return response.data

    def refused(self, text: str, /, **variables: Any) -> str:
        """The message of the error for a document that the backend must refuse."""
        try:
            response = self.ask_raw(text, variables)
        except WbmodelError as error:
            return str(error)
        except Nonconforming:
            raise
        except Exception as error:
            raise Nonconforming(
                f"a wrong document made the backend raise {type(error).__name__}: {error}; callers catch "
                f"WbmodelError, so answer with errors, or raise a class of wbmodel.errors\nthe document: {text}"
            ) from error
        if not response.errors:
            self.fail(
                f"a wrong document was answered as if it were right, with {shown(response.data)}; "
                "an empty answer to a wrong question cannot be told from a true one",
                document=text,
                variables=variables,
            )
        told: list[Any] = list(response.errors)
        for item in told:
            if not isinstance(item, Mapping) or not isinstance(item.get("message"), str):
                self.fail(f"Response.errors holds {shown(item)}; each one is an object with a message", document=text)
        return "; ".join(item["message"] for item in told)

    # -- saying what is wrong ----------------------------------------------------------------------

    def fail(
        self, message: str, *, document: str | None = None, variables: Mapping[str, Any] | None = None
    ) -> NoReturn:
        """Raise :class:`Nonconforming`."""
        lines = [message]
        if document is not None:
            lines.append(f"the document: {' '.join(document.split())}")
        if variables:
            lines.append(f"its variables: {shown(dict(variables), 400)}")
        raise Nonconforming("\n".join(lines))

    def equal(self, found: Any, expected: Any, what: str, hint: str = "") -> None:
        """Check that ``found`` equals ``expected``. NaN equals NaN, and numbers and booleans differ as in JSON."""
        if not alike(found, expected):
            tail = f"; {hint}" if hint else ""
            self.fail(f"{what} is {shown(found)}, and must be {shown(expected)}{tail}")

    def same_records(self, found: list[dict[str, Any]], expected: list[dict[str, Any]], what: str) -> None:
        """Check that rows of a stream equal the ``expected`` ones, in this order."""
        if not alike(found, expected):
            at = next((i for i, pair in enumerate(zip(found, expected, strict=False)) if not alike(*pair)), None)
            told = f"{len(found)} rows, and must give {len(expected)}"
            if at is not None:
                told += f"; row {at} is {shown(found[at])}, not {shown(expected[at])}"
            self.fail(f"{what} gave {told}")

    def same_rows(
        self, found: Sequence[Any], expected: Iterable[Any], what: str, about: About = _nothing, hint: str = ""
    ) -> None:
        """Check that ``found`` has the ``expected`` keys, each once, in any order. ``about`` describes a key."""
        wanted = list(expected)
        twice = sorted({str(key) for key in found if list(found).count(key) > 1})
        missing = [key for key in wanted if key not in found]
        extra = [key for key in found if key not in wanted]
        if not (twice or missing or extra):
            return
        lines = [f"{what} gave the wrong rows:"]
        lines += [f"  missing: {key}{about(key)}" for key in missing[:8]]
        lines += [f"  must not be there: {key}{about(key)}" for key in extra[:8]]
        lines += [f"  there more than once: {key}" for key in twice[:8]]
        more = max(len(missing) - 8, 0) + max(len(extra) - 8, 0)
        if more:
            lines.append(f"  and {more} more")
        raise Nonconforming("\n".join([*lines, *([hint] if hint else [])]))

    def same_order(self, found: Sequence[Any], expected: Sequence[Any], what: str, about: About = _nothing) -> None:
        """Check that ``found`` equals ``expected``, in this order."""
        if list(found) == list(expected):
            return
        if sorted(map(str, found)) != sorted(map(str, expected)):
            self.same_rows(found, expected, what, about)
        at = next(index for index, pair in enumerate(zip(found, expected, strict=True)) if pair[0] != pair[1])
        raise Nonconforming(
            f"{what} gave the right rows in the wrong order: row {at} is {found[at]}{about(found[at])}, and "
            f"{expected[at]}{about(expected[at])} belongs there\n"
            f"  given:  {', '.join(map(str, found[max(at - 2, 0) : at + 6]))}\n"
            f"  wanted: {', '.join(map(str, expected[max(at - 2, 0) : at + 6]))}"
        )


def alike(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: NaN equals itself, and true does not equal 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return one == other or (
            isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
        )
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    return type(one) is type(other) and bool(one == other)


def shown(value: Any, limit: int = 160) -> str:
    """A value for a message, shortened."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
