"""The methods of a queryset that give a new queryset. None of them asks the backend."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Generic, Literal, cast, overload

import attrs

from wbmodel.compiler.selection import check_related
from wbmodel.errors import ConfigurationError, QueryError
from wbmodel.meta import EntityMeta
from wbmodel.query.conditions import both, either, resolve
from wbmodel.query.f import PathExpr
from wbmodel.query.order import parse_order
from wbmodel.query.paths import resolve_path
from wbmodel.query.plan import Plan
from wbmodel.query.q import Q
from wbmodel.query.scopes import narrow
from wbmodel.query.shapes import ENTITIES, Dicts, Flat, Shape, Tuples, columns

if TYPE_CHECKING:
    from typing_extensions import Self, TypeVar

    from wbmodel.objects.queryset import QuerySet
    from wbmodel.session.session import Session
else:
    # typing_extensions costs as much to import as the rest of this package; only type checkers need the default.
    from wbmodel.objects.manager import TypeVarLike as TypeVar

__all__ = ["Chain"]

E_co = TypeVar("E_co", covariant=True)
R_co = TypeVar("R_co", covariant=True, default=E_co)


@attrs.frozen(slots=True)
class Origin:
    """What an unpickled queryset keeps of its session: host and account. It never falls back to another host."""

    text: str

    def find(self) -> Session:
        """An open session of this origin. Raises :class:`ConfigurationError` when there is none."""
        from wbmodel.session.current import session_for_origin

        found = session_for_origin(self.text)
        if found is None:
            raise ConfigurationError(
                f"this queryset came from {self.text}, and no session to it is open; connect() first"
            )
        return found


class Chain(Generic[E_co, R_co]):
    """The state of a queryset, and the methods that copy it with one thing changed."""

    if not TYPE_CHECKING:
        # QuerySet[Run] stands for QuerySet[Run, Run], which typing allows before Python 3.13 for checkers only.
        def __class_getitem__(cls, item: Any) -> Any:
            return GenericAlias(cls, item)

    def __init__(self, entity: type[Any], plan: Plan | None = None) -> None:
        meta: EntityMeta = entity.__wbmodel_meta__
        self._entity = entity
        self._plan: Plan = plan if plan is not None else Plan(meta=meta)
        self._shape: Shape = ENTITIES
        self._distinct = False
        self._session: Session | Origin | str | None = None
        self._timeout: float | None = None
        # Whether it is `Run.objects` itself, with nothing said yet: see delete().
        self._untouched = True
        self._reset()

    def _reset(self) -> None:
        self._cache: list[Any] = []
        self._complete = False
        self._source: Iterator[Sequence[Any]] | None = None
        self._lock = threading.RLock()

    def _clone(self, **changes: Any) -> Self:
        made = type(self).__new__(type(self))
        made._entity, made._shape, made._distinct, made._session = (
            self._entity,
            self._shape,
            self._distinct,
            self._session,
        )
        made._timeout = self._timeout
        made._untouched = False
        made._plan = attrs.evolve(self._plan, **changes) if changes else self._plan
        made._reset()
        return made

    @property
    def _meta(self) -> EntityMeta:
        return self._plan.meta

    def all(self) -> Self:
        """A fresh, unevaluated copy: evaluating it asks again."""
        return self._clone()

    def none(self) -> Self:
        """A queryset that is empty and never asks."""
        return self._clone(never=True)

    def filter(self, *conditions: Q, **lookups: Any) -> Self:
        """Only rows that meet all conditions: ``filter(state="finished", summary__loss__lt=0.3)``,
        ``filter(F.summary["eval/acc"] > 0.9)``, ``filter(Q(...) | Q(...))``."""
        return self._where(conditions, lookups, negated=False)

    def exclude(self, *conditions: Q, **lookups: Any) -> Self:
        """Without the rows that meet all conditions. Rows that lack the key are kept."""
        return self._where(conditions, lookups, negated=True)

    def _where(self, conditions: tuple[Q, ...], lookups: dict[str, Any], *, negated: bool) -> Self:
        for item in conditions:
            if not isinstance(item, Q):
                raise QueryError(
                    f"{'exclude' if negated else 'filter'}() takes conditions such as Q(...) or F.x > 1, not {item!r}"
                )
        self._refuse_sliced("exclude" if negated else "filter")
        node, scopes = resolve(self._meta, Q(*conditions, **lookups), negated)
        merged = dict(self._plan.scopes)
        for name, values in scopes.items():
            narrow(merged, self._meta.options.scopes, name, values)
        return self._clone(where=both(self._plan.where, node), scopes=merged)

    def order_by(self, *keys: str | PathExpr) -> Self:
        """Ordered by these keys, ``-`` for descending: ``order_by("-summary.acc", "created_at")``. Rows that lack a key
        come last in both directions. No keys: the default order, newest first."""
        self._refuse_sliced("order_by")
        return self._clone(order=tuple(parse_order(self._meta, key) for key in keys))

    def reverse(self) -> Self:
        """Every key in the other direction. Rows that lack a key stay last."""
        self._refuse_sliced("reverse")
        return self._clone(order=tuple(key.flipped() for key in self._plan.order_keys))

    def only(self, *fields: str | PathExpr) -> Self:
        """Load only these fields (and the identity). Reading another raises :class:`~wbmodel.errors.FieldNotLoaded`."""
        self._refuse_shaped("only")
        names = tuple(dict.fromkeys(resolve_path(self._meta, item).field.name for item in fields))
        return self._clone(only=names, defer=frozenset())

    def defer(self, *fields: str | PathExpr) -> Self:
        """Do not load these fields."""
        self._refuse_shaped("defer")
        names = frozenset(resolve_path(self._meta, item).field.name for item in fields)
        return self._clone(defer=self._plan.defer | names)

    def select_related(self, *relations: str) -> Self:
        """Load these to-one relations in the same document, with their default fields."""
        self._refuse_shaped("select_related")
        names = tuple(check_related(self._meta, item) for item in relations)
        heads = tuple(name.partition(".")[0] for name in names)
        return self._clone(
            related=tuple(dict.fromkeys((*self._plan.related, *names))),
            extra=tuple(dict.fromkeys((*self._plan.extra, *heads))),
        )

    def prefetch_related(self, *relations: str) -> Self:
        """Load these relations of all rows in as few more requests as possible; they are then read without asking."""
        from wbmodel.operations.prefetch import check_prefetch

        self._refuse_shaped("prefetch_related")
        names = tuple(check_prefetch(self._meta, item) for item in relations)
        heads = tuple(head for name in names if (head := name.partition(".")[0]) in self._meta.fields)
        return self._clone(
            prefetch=tuple(dict.fromkeys((*self._plan.prefetch, *names))),
            extra=tuple(dict.fromkeys((*self._plan.extra, *heads))),
        )

    def values(self, *paths: str | PathExpr) -> QuerySet[E_co, dict[str, Any]]:
        """Rows as dicts, keyed by the paths as typed; what a row lacks is None. No paths: every default field."""
        return self._shaped(Dicts(columns(self._meta, paths)))

    @overload
    def values_list(
        self, *paths: str | PathExpr, flat: Literal[False] = False, named: bool = False
    ) -> QuerySet[E_co, tuple[Any, ...]]: ...

    @overload
    def values_list(
        self, *paths: str | PathExpr, flat: Literal[True], named: Literal[False] = False
    ) -> QuerySet[E_co, Any]: ...

    def values_list(self, *paths: str | PathExpr, flat: bool = False, named: bool = False) -> QuerySet[E_co, Any]:
        """Rows as tuples; with ``flat`` and one path, as bare values; with ``named``, as named tuples (what is no
        identifier in a path becomes ``_``)."""
        if flat and named:
            raise QueryError("values_list() is flat or named, not both")
        made = columns(self._meta, paths)
        if flat:
            if len(paths) != 1:
                raise QueryError(f"values_list(flat=True) takes one path, not {len(paths)}")
            return self._shaped(Flat(made))
        return self._shaped(Tuples(made, named))

    def _shaped(self, shape: Shape) -> QuerySet[E_co, Any]:
        self._refuse_prefetch("values")
        made = self._clone(only=shape.fields, defer=frozenset(), related=())
        made._shape = shape
        return cast("QuerySet[E_co, Any]", made)

    def distinct(self, *fields: str) -> Self:
        """``values()`` rows that are equal come once. Entities are distinct by nature."""
        if fields:
            raise QueryError("distinct(field) is not offered: ask for values(field).distinct()")
        self._refuse_sliced("distinct")
        made = self._clone()
        made._distinct = True
        return made

    def using(self, session: Session | str | None) -> Self:
        """Ask this session, or the connection of this name."""
        if session is not None and not isinstance(session, str) and not hasattr(session, "iterate"):
            raise QueryError(f"using() takes a session or the name of a connection, not {session!r}")
        made = self._clone()
        made._session = session
        return made

    def timeout(self, seconds: float | None) -> Self:
        """Give each evaluation ``seconds`` for all its requests together; None: no limit of its own. Raises
        :class:`~wbmodel.errors.RequestTimeout` when they are over; the time between rows, while the caller keeps them,
        does not count. The session's ``timeout`` for one request holds as well."""
        if seconds is not None and (type(seconds) not in (int, float) or not 0 < seconds < float("inf")):
            raise QueryError(f"timeout() takes a number of seconds above 0, or None, not {seconds!r}")
        made = self._clone()
        made._timeout = seconds
        return made

    def snapshot(self, at: datetime | None = None) -> Self:
        """Only what was created up to ``at`` (now): runs that start while this is read do not come in."""
        if self._meta.find("created_at") is None:
            raise QueryError(f"{self._meta.plural} have no creation date to bound a snapshot by")
        return self.filter(created_at__lte=at or datetime.now(timezone.utc))

    def __or__(self, other: object) -> Self:
        return self._combine(other, "|")

    def __and__(self, other: object) -> Self:
        return self._combine(other, "&")

    def _combine(self, other: object, operator: str) -> Self:
        if not isinstance(other, Chain):
            raise QueryError(f"a queryset is combined with another queryset, not with {other!r}")
        mine, theirs = self._plan, other._plan
        if mine.meta is not theirs.meta:
            raise QueryError(f"{mine.meta.plural} and {theirs.meta.plural} cannot be combined with {operator}")
        for item in (self, other):
            item._refuse_sliced(operator)
            item._refuse_shaped(operator)
        if operator == "&":
            scopes = dict(mine.scopes)
            for name, values in theirs.scopes.items():
                narrow(scopes, mine.meta.options.scopes, name, values)
            never = mine.never or theirs.never
            return self._clone(where=both(mine.where, theirs.where), scopes=scopes, never=never)
        if mine.never or theirs.never:
            return self._clone() if theirs.never else self._clone(where=theirs.where, scopes=theirs.scopes, never=False)
        if mine.scopes != theirs.scopes:
            raise QueryError(
                "querysets of different projects cannot be combined with |; use filter(project__in=[...]) and "
                "one condition"
            )
        return self._clone(where=either(mine.where, theirs.where))

    def _refuse_sliced(self, verb: str) -> None:
        if self._plan.sliced:
            raise QueryError(f"{verb} after a slice has no meaning: slice last, or filter the list")

    def _refuse_shaped(self, verb: str) -> None:
        if self._shape is not ENTITIES:
            raise QueryError(f"{verb} comes before values() and values_list(), which make rows that are no entities")

    def _refuse_prefetch(self, verb: str) -> None:
        if self._plan.prefetch:
            raise QueryError(f"{verb}() rows have no relations; leave prefetch_related() out")
