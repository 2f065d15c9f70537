"""The queryset methods that return a new queryset. They make no requests."""

from __future__ import annotations

from datetime import datetime, timezone
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Generic, Literal, cast, overload

import attrs

from wbmodel.compiler.selection import check_related
from wbmodel.errors import ConfigurationError, QueryError
from wbmodel.meta import EntityMeta
from wbmodel.meta.parts import Wanted
from wbmodel.objects.result import Result
from wbmodel.objects.typevars import E_co, R_co
from wbmodel.query.conditions import both, either
from wbmodel.query.f import PathExpr
from wbmodel.query.order import parse_order
from wbmodel.query.paths import resolve_path
from wbmodel.query.plan import Plan
from wbmodel.query.q import Q
from wbmodel.query.scopes import narrow
from wbmodel.query.shapes import Dicts, Flat, Shape, Tuples, columns

if TYPE_CHECKING:
    from typing_extensions import Self

    from wbmodel.objects.queryset import QuerySet
    from wbmodel.session.session import Session

__all__ = ["Chain", "Origin", "bound", "related", "warn_of_version"]


@attrs.frozen(slots=True)
class Origin:
    """The host and account of an unpickled queryset's session. It never falls back to another host."""

    text: str

    def find(self) -> Session:
        """An open session of this origin. Raises :class:`ConfigurationError` if there is none."""
        from wbmodel.session.current import session_for_origin

        found = session_for_origin(self.text)
        if found is None:
            raise ConfigurationError(
                f"this queryset came from {self.text}, but no session to it is open; call connect() first"
            )
        return found


def bound(using: Session | Origin | str | None) -> Session:
    """The session that is meant: this one, that of this origin or name, or the current one."""
    from wbmodel.session.current import current_session, get_session

    if using is None:
        return current_session()
    if isinstance(using, Origin):
        return using.find()
    return get_session(using) if isinstance(using, str) else using


def warn_of_version(what: str, pickled: str) -> None:
    """Warn if a pickle of a ``what`` is from another version of this package."""
    from wbmodel._version import __version__

    if pickled != __version__:
        import warnings

        warnings.warn(
            f"this {what} was pickled by wbmodel {pickled} and is read by {__version__}", RuntimeWarning, stacklevel=3
        )


class Chain(Generic[E_co, R_co]):
    """A query with its session, and the methods that return a modified copy. They make no requests."""

    if not TYPE_CHECKING:
        # QuerySet[Run] stands for QuerySet[Run, Run]; before Python 3.13 only type checkers support that.
        def __class_getitem__(cls, item: Any) -> Any:
            return GenericAlias(cls, item)

    def __init__(self, entity: type[Any], plan: Plan | None = None) -> None:
        meta: EntityMeta = entity.__wbmodel_meta__
        # The rows of an entity's subclass are instances of that subclass, with the same fields.
        self._plan = Plan(meta=meta, cls=None if entity is meta.cls else entity) if plan is None else plan
        from wbmodel.session.current import override

        # What is made under an override stays with it: evaluated after the block, it must not reach another server.
        self._using: Session | Origin | str | None = override()
        self._timeout: float | None = None
        self._result = Result()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            from wbmodel.objects.django_names import missing

            raise AttributeError(missing(type(self), name), name=name, obj=self)

    def _copy(self, plan: Plan, result: Result | None = None) -> Self:
        made = type(self).__new__(type(self))
        made._plan, made._timeout = plan, self._timeout
        # Once it holds rows, everything asked of it or made of it goes where they came from.
        made._using = self._using if self._using is not None else self._result.session
        made._result = Result() if result is None else result
        return made

    def _with(self, **changes: Any) -> Self:
        plan = self._plan
        return self._copy(attrs.evolve(plan, stated=True, **changes) if changes or not plan.stated else plan)

    @property
    def plan(self) -> Plan:
        """The logical plan, with every name and value checked. For tools and plugins."""
        return self._plan

    def all(self) -> Self:
        """A fresh, unevaluated copy: evaluating it makes new requests, in the current session if this queryset was not
        made for another one."""
        made = self._with()
        made._using = self._using
        return made

    def none(self) -> Self:
        """An empty queryset that never makes requests."""
        return self._with(never=True)

    def filter(self, *conditions: Q, **lookups: Any) -> Self:
        """Keep only rows that match all conditions.

        Examples: ``filter(state="finished", summary__loss__lt=0.3)``, ``filter(F.summary["eval/acc"] > 0.9)``,
        ``filter(Q(...) | Q(...))``.
        """
        return self._where(conditions, lookups, negated=False)

    def exclude(self, *conditions: Q, **lookups: Any) -> Self:
        """Drop the rows that match all conditions. Rows that lack the key are kept."""
        return self._where(conditions, lookups, negated=True)

    def _where(self, conditions: tuple[Q, ...], lookups: dict[str, Any], *, negated: bool) -> Self:
        for item in conditions:
            if not isinstance(item, Q):
                raise QueryError(
                    f"{'exclude' if negated else 'filter'}() takes conditions such as Q(...) or F.x > 1, not {item!r}"
                )
        self._plan.refuse_sliced("exclude" if negated else "filter")
        return self._copy(self._plan.where_also(Q(*conditions, **lookups), negated=negated))

    def order_by(self, *keys: str | PathExpr) -> Self:
        """Order by these keys, ``-`` for descending: ``order_by("-summary.acc", "created_at")``.

        Rows that lack a key come last in both directions. Without keys: the default order, newest first.
        """
        self._plan.refuse_sliced("order_by")
        return self._with(order=tuple(parse_order(self._plan.meta, key) for key in keys))

    def reverse(self) -> Self:
        """Reverse the direction of every key. Rows that lack a key stay last."""
        self._plan.refuse_sliced("reverse")
        return self._with(order=tuple(key.flipped() for key in self._plan.order_keys))

    def only(self, *fields: str | PathExpr) -> Self:
        """Load only these fields (and the identity). Reading another raises :class:`~wbmodel.errors.FieldNotLoaded`.

        Of a path into ``config`` or ``summary``, only its first key is loaded: after ``only("summary.loss")``, a run's
        summary is a :class:`~wbmodel.Part`, a read-only mapping that knows this key alone.
        """
        self._plan.refuse_shaped("only")
        return self._with(only=self._wanted(fields), defer=frozenset())

    def _wanted(self, fields: tuple[str | PathExpr, ...]) -> tuple[Wanted, ...]:
        return tuple(dict.fromkeys(item for field in fields for item in resolve_path(self._plan.meta, field).reads))

    def also(self, *fields: str | PathExpr) -> Self:
        """Load these fields too, besides the default ones or those of :meth:`only`."""
        self._plan.refuse_shaped("also")
        more = self._wanted(fields)
        return self._with(only=tuple(dict.fromkeys((*self._plan.asked, *more))), defer=frozenset())

    def defer(self, *fields: str | PathExpr) -> Self:
        """Do not load these fields."""
        self._plan.refuse_shaped("defer")
        names = frozenset(resolve_path(self._plan.meta, item).field.name for item in fields)
        return self._with(defer=self._plan.defer | names)

    def select_related(self, *relations: str) -> Self:
        """Load these to-one relations in the same document, with their default fields."""
        self._plan.refuse_shaped("select_related")
        names = tuple(check_related(self._plan.meta, item) for item in relations)
        heads = tuple(name.partition(".")[0] for name in names)
        return self._with(
            related=tuple(dict.fromkeys((*self._plan.related, *names))),
            extra=tuple(dict.fromkeys((*self._plan.extra, *heads))),
        )

    def prefetch_related(self, *relations: str) -> Self:
        """Load these relations of all rows in as few additional requests as possible; reading them is then free."""
        from wbmodel.operations.prefetch import check_prefetch

        self._plan.refuse_shaped("prefetch_related")
        names = tuple(check_prefetch(self._plan.meta, item) for item in relations)
        heads = tuple(head for name in names if (head := name.partition(".")[0]) in self._plan.meta.fields)
        return self._with(
            prefetch=tuple(dict.fromkeys((*self._plan.prefetch, *names))),
            extra=tuple(dict.fromkeys((*self._plan.extra, *heads))),
        )

    def values(self, *paths: str | PathExpr) -> QuerySet[E_co, dict[str, Any]]:
        """Rows as dicts, keyed by the paths as typed; missing values are None. Without paths: every default
        field, without the node id."""
        return self._shaped(Dicts(columns(self._plan.meta, paths)))

    @overload
    def values_list(
        self, *paths: str | PathExpr, flat: Literal[False] = False, named: bool = False
    ) -> QuerySet[E_co, tuple[Any, ...]]: ...

    @overload
    def values_list(
        self, *paths: str | PathExpr, flat: Literal[True], named: Literal[False] = False
    ) -> QuerySet[E_co, Any]: ...

    def values_list(self, *paths: str | PathExpr, flat: bool = False, named: bool = False) -> QuerySet[E_co, Any]:
        """Rows as tuples; with ``flat`` and one path, as bare values; with ``named``, as named tuples. Without
        paths: as for :meth:`values`.

        In the names of a named tuple, characters that are not allowed in identifiers become ``_``.
        """
        if flat and named:
            raise QueryError("values_list() can be flat or named, not both")
        made = columns(self._plan.meta, paths)
        if flat:
            if len(paths) != 1:
                raise QueryError(f"values_list(flat=True) takes one path, not {len(paths)}")
            return self._shaped(Flat(made))
        return self._shaped(Tuples(made, named))

    def _shaped(self, shape: Shape) -> QuerySet[E_co, Any]:
        if self._plan.prefetch:
            raise QueryError("values() rows have no relations; remove prefetch_related()")
        return cast("QuerySet[E_co, Any]", self._with(shape=shape, only=shape.fields, defer=frozenset(), related=()))

    def distinct(self, *fields: str) -> Self:
        """Remove duplicate ``values()`` rows. Entities are always distinct."""
        if fields:
            raise QueryError("distinct(field) is not supported; use values(field).distinct()")
        self._plan.refuse_sliced("distinct")
        return self._with(distinct=True)

    def using(self, session: Session | str | None) -> Self:
        """Use this session, or the connection of this name."""
        if session is not None and not isinstance(session, str) and not hasattr(session, "iterate"):
            raise QueryError(f"using() takes a session or the name of a connection, not {session!r}")
        made = self._with()
        made._using = session
        return made

    def timeout(self, seconds: float | None) -> Self:
        """Limit the total time of each evaluation's requests to ``seconds``; None: no such limit.

        When the time is over, :class:`~wbmodel.errors.RequestTimeout` is raised. The clock is paused while the caller
        processes rows. The session's ``timeout`` for a single request applies as well.
        """
        if seconds is not None and (type(seconds) not in (int, float) or not 0 < seconds < float("inf")):
            raise QueryError(f"timeout() takes a number of seconds above 0, or None, not {seconds!r}")
        made = self._with()
        made._timeout = seconds
        return made

    def snapshot(self, at: datetime | None = None) -> Self:
        """Keep only rows created up to ``at`` (default: now), which excludes runs that start during reading."""
        if self._plan.meta.find("created_at") is None:
            raise QueryError(f"{self._plan.meta.plural} have no creation date, so they cannot be limited to a snapshot")
        return self.filter(created_at__lte=at or datetime.now(timezone.utc))

    def __or__(self, other: object) -> Self:
        return self._combine(other, "|")

    def __and__(self, other: object) -> Self:
        return self._combine(other, "&")

    def _combine(self, other: object, operator: str) -> Self:
        if not isinstance(other, Chain):
            raise QueryError(f"a queryset can only be combined with another queryset, not with {other!r}")
        mine, theirs = self._plan, other._plan
        if mine.meta is not theirs.meta:
            raise QueryError(f"{mine.meta.plural} and {theirs.meta.plural} cannot be combined with {operator}")
        for plan in (mine, theirs):
            plan.refuse_sliced(operator)
            plan.refuse_shaped(operator)
        if operator == "&":
            scopes = dict(mine.scopes)
            for name, values in theirs.scopes.items():
                narrow(scopes, mine.meta.options.scopes, name, values)
            never = mine.never or theirs.never
            return self._with(where=both(mine.where, theirs.where), scopes=scopes, never=never)
        if mine.never or theirs.never:
            return self._with() if theirs.never else self._with(where=theirs.where, scopes=theirs.scopes, never=False)
        if mine.scopes != theirs.scopes:
            raise QueryError(
                "querysets of different projects cannot be combined with |; "
                "use filter(project__in=[...]) and one condition"
            )
        return self._with(where=either(mine.where, theirs.where))


def related(rows: QuerySet[Any, Any], plan: Plan, known: list[Any] | None) -> QuerySet[Any, Any]:
    """A copy of ``rows`` for ``plan``; ``known`` are its rows if they are already loaded."""
    return rows._copy(attrs.evolve(plan, stated=True), None if known is None else Result(known))
