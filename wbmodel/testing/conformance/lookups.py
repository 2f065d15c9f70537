"""Cases about lookups: every lookup, with every type of operand it takes, on every kind of field, negated too.

The cases are made by walking over the lookup registry and over the declared fields; whether a lookup takes an operand
is asked of the lookup itself. What a field's rows hold (absent, null, NaN, lists, booleans, several types under one
key) is the world's business: see ``wbmodel.testing.world.EVERY``.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import attrs

from wbmodel.backend import Capabilities
from wbmodel.errors import FieldError
from wbmodel.meta import Kind, entity_meta
from wbmodel.query.conditions import resolve
from wbmodel.query.f import PathExpr
from wbmodel.query.lookups import LOOKUPS, Lookup
from wbmodel.testing import oracle
from wbmodel.testing.conformance.backend_tests import BackendTests
from wbmodel.testing.conformance.cases import Case, case, cases
from wbmodel.testing.conformance.declared import valued_fields
from wbmodel.testing.conformance.kit import Kit, shown
from wbmodel.testing.world import DAY, START, parts_of

__all__ = ["DECIDING", "OPERANDS", "SUBJECTS", "LookupTests", "Subject", "decided_by"]

Path = tuple[str, ...]


@attrs.frozen(slots=True)
class Subject:
    """A path whose conditions are asked: the entity class, the path, and its name in the ids of cases."""

    entity: str
    path: Path
    label: str
    core: bool = False

    @property
    def expr(self) -> PathExpr:
        """The path in the query language."""
        return PathExpr(self.path[0], self.path[1:])


@attrs.frozen(slots=True)
class Question:
    """A lookup with operands of one type, asked of one subject."""

    subject: Subject
    lookup: str
    operands: list[Any]
    negated: bool


_KEYED = [
    Subject("Run", ("config", "every"), "config.every", core=True),
    Subject("Run", ("summary", "every"), "summary.every", core=True),
    Subject("Run", ("config", "holes"), "config.holes"),
    Subject("Run", ("config", "rank"), "config.rank"),
    Subject("Run", ("config", "opt"), "config.opt"),
    Subject("Run", ("config", "wrapped"), "config.wrapped"),
    Subject("Run", ("config", "wrapped", "value"), "config.wrapped.value"),
    Subject("Run", ("config", "model", "depth"), "config.model.depth"),
    Subject("Run", ("config", "model", "a.b"), "config.model.literal-dot"),
    Subject("Run", ("config", "model.depth"), "config.literal-dot"),
    Subject("Run", ("config", "nowhere"), "config.nowhere"),
    Subject("Run", ("summary", "loss"), "summary.loss"),
    Subject("Run", ("summary", "best"), "summary.best"),
    Subject("Run", ("summary", "eval/acc"), "summary.slash"),
    Subject("Run", ("summary", "eval", "f1"), "summary.eval.f1"),
    Subject("Artifact", ("metadata", "rows"), "metadata.rows"),
    Subject("Artifact", ("metadata", "split"), "metadata.split"),
    Subject("Sweep", ("config", "metric", "goal"), "config.metric.goal"),
]
_AWKWARD = ["a b", "sl/ash", 'q"uote', "under__score", "_lead", "ключ", "co,mma", "back\\slash", "$dollar"]
_CORE = {("Run", "name"), ("Run", "group"), ("Run", "tags"), ("Run", "created_at"), ("Run", "heartbeat_at")}


def _fields() -> Iterator[Subject]:
    for meta, field in valued_fields():
        if field.name not in meta.options.scopes and (field.kind is not Kind.REF or field.filters):
            core = (meta.name, field.name) in _CORE
            yield Subject(meta.name, (field.name,), field.name, core=core)


SUBJECTS: list[Subject] = [*_KEYED, *_fields()]

OPERANDS: dict[str, list[Any]] = {
    "null": [None],
    "bool": [True, False],
    "number": [1, 2.5, 0, -3, 10**20, 0.2],
    "infinite": [math.inf, -math.inf],
    "text": ["adam", "1", "", "a", "NaN", "g1", "Beta", "finished", "adam\n"],
    "pattern": ["^a", r"m\Z", r"\d", "[aA]d", "(?s)m.", "", "a$", "(?=b)"],
    "time": [START + DAY, START + timedelta(microseconds=1), START + 20 * DAY],
    "list": [[1, "a"], [], [1, None], ["baseline"]],
    "object": [{"k": 1}, {}],
    "numbers": [[0, 2.5], [2.5, -3]],
    "texts": [["A", "adam"], ["baseline", "v1"], ["g1", "g2"]],
    "mixed": [[None, True, 1, "a"], [False, "1", [1, "a"]], []],
    "times": [[START, START + 2 * DAY], [START + 20 * DAY, None]],
    "days": [date(2021, 4, 1), date(2021, 4, 3), date(2020, 2, 29)],
    "spans": [timedelta(days=1), timedelta(days=300_000)],
}
"""Operands by type. A case asks about all of one type."""

_SEVERAL = {"numbers", "texts", "mixed", "times"}
_PATTERNS = {"regex", "iregex"}


def _leaf(subject: Subject, lookup: str, operand: Any) -> Any:
    """The condition, resolved. Raises :class:`FieldError` where the query language refuses it."""
    return resolve(entity_meta(subject.entity), subject.expr.lookup(lookup, operand))[0]


_known: dict[Any, list[Any]] = {}


def _accepted(entry: Lookup, subject: Subject, operand_type: str) -> list[Any]:
    """The operands of a type that a lookup takes on this field."""
    if (operand_type in _SEVERAL) is not _takes_several(entry):
        return []
    if operand_type == "pattern" and entry.name not in _PATTERNS:
        return []
    field = entity_meta(subject.entity).fields[subject.path[0]]
    sort = (entry.name, operand_type, field.kind, len(subject.path) > 1)
    if sort not in _known:
        found = _known[sort] = []
        for operand in OPERANDS[operand_type]:
            try:
                _leaf(subject, entry.name, operand)
            except FieldError:
                continue
            found.append(operand)
    return _known[sort]


@functools.cache
def _takes_several(entry: Lookup) -> bool:
    for kind in (Kind.VALUE, Kind.TIME):
        for single in (True, "a", START, timedelta(1), date(2021, 4, 1)):
            try:
                entry.accept(single, kind, "conformance")
            except FieldError:
                continue
            return False
    return True


def _ask(kit: Kit, subject: Subject, lookup: str, operand: Any, negated: bool) -> None:
    condition = subject.expr.lookup(lookup, operand)
    rows = kit.objects(subject.entity)
    rows = rows.exclude(condition) if negated else rows.filter(condition)
    key = kit.key(subject.entity)
    leaf = ("leaf", subject.path, lookup, operand)
    tree = ("not", leaf) if negated else leaf
    ours = kit.rows(subject.entity)
    expected = [row[key] for row in ours if oracle.matches(row, tree)]
    found = kit.names(subject.entity, rows)
    if sorted(map(str, found)) == sorted(map(str, expected)):
        return
    values = {row[key]: oracle.look(row, subject.path) for row in ours}
    verb = "exclude" if negated else "filter"
    what = f"{subject.entity}.objects.{verb}({subject.expr} {lookup} {shown(operand)})"
    hint = _advice(kit, subject, lookup, operand, bool(set(found) - set(expected)))
    kit.same_rows(
        found, expected, what, lambda item: f", where it is {shown(values[item])}" if item in values else "", hint
    )


DECIDING = ("strict_values", "literal_keys", "regex", "exists")
"""Capabilities on which it depends what is sent of a condition, and what is checked again here."""


def decides(name: str, entry: Lookup, operand: Any, kind: Kind, can: Capabilities) -> bool:
    """Whether it makes a difference to a lookup that the capability ``name`` is promised."""
    promises: list[dict[str, Any]] = [{name: True}, {name: False}]
    return len({entry.push("key", operand, kind, attrs.evolve(can, **each)).grade for each in promises}) > 1


def decided_by(name: str, case: Case, can: Capabilities) -> bool:
    """Whether a case asks about a lookup to which the capability ``name`` makes a difference."""
    asked: Question | None = case.values.get("question")
    if asked is None:
        return False
    leaves = (_leaf(asked.subject, asked.lookup, operand) for operand in asked.operands)
    return any(decides(name, LOOKUPS[asked.lookup], leaf.operand, leaf.path.kind, can) for leaf in leaves)


def _advice(kit: Kit, subject: Subject, lookup: str, operand: Any, too_many: bool) -> str:
    entry = LOOKUPS[lookup]
    rule = (
        f"the rule: {subject.label} {entry.phrase} {shown(operand)}; absent and null are not values, "
        "types are never mixed"
    )
    can = kit.capabilities
    type_name = entity_meta(subject.entity).graphql
    if type_name not in can.filtered:
        return f"{rule}\nno filter was sent ({type_name} is not in `filtered`), so the rows are wrong: see row/*"
    leaf = _leaf(subject, lookup, operand)
    operand, kind = leaf.operand, leaf.path.kind
    grade = entry.push("key", operand, kind, can).grade
    decisive = [name for name in DECIDING if getattr(can, name) and decides(name, entry, operand, kind, can)]
    if grade == "local":
        return f"{rule}\nnothing was sent of this condition, so the rows themselves are wrong: see row/* and page/*"
    if too_many:
        promise = (
            f"promises {' and '.join(decisive)}" if decisive else "answers this kind of field exactly, as all must"
        )
        return (
            f"{rule}\nthe rows were not checked again here, because the backend {promise}: keep that, or take it back"
        )
    return (
        f"{rule}\nthe backend's own filter left these rows out: it must give them, and may give more only if it "
        "promises less"
    )


def _cases() -> Iterator[Case]:
    for name, entry in LOOKUPS.items():
        if entry.rewrite is not None:
            continue  # a plugin's lookup rewrites to these, and means what its author says
        for subject, operand_type in itertools.product(SUBJECTS, OPERANDS):
            operands = _accepted(entry, subject, operand_type)
            label = f"{subject.entity}.{subject.label}"
            for negated in (False, True) if operands else ():
                yield Case(
                    f"lookup/{name}/{operand_type}/{label}{'/not' if negated else ''}",
                    f"{name} with operands of type {operand_type} on {label}{', negated' if negated else ''}.",
                    values={"question": Question(subject, name, operands, negated)},
                    core=subject.core,
                    parts=parts_of(subject.entity, subject.label),
                )


def _as_q(tree: Any) -> Any:
    kind = tree[0]
    if kind == "leaf":
        return PathExpr(tree[1][0], tree[1][1:]).lookup(tree[2], tree[3])
    if kind == "not":
        return ~_as_q(tree[1])
    return functools.reduce(operator.and_ if kind == "and" else operator.or_, map(_as_q, tree[1]))


class LookupTests(BackendTests):
    """Cases about lookups: every lookup, with every type of operand it takes, on every kind of field, negated too."""

    @cases(_cases())
    def test_lookup(self, kit: Kit, question: Question) -> None:
        """A lookup with operands of one type on one field."""
        for operand in question.operands:
            _ask(kit, question.subject, question.lookup, operand, question.negated)

    @case("lookup/keys")
    def test_lookup_keys(self, kit: Kit) -> None:
        """Keys with spaces, slashes, quotes, commas, underscores, backslashes, dollars, dots, other scripts are
        literal."""
        for key in [*_AWKWARD, "model.depth"]:
            values = {repr(row["config"][key]): row["config"][key] for row in kit.rows("Run") if key in row["config"]}
            subject = Subject("Run", ("config", key), f"config[{key!r}]")
            for value in list(values.values())[:2]:
                _ask(kit, subject, "exact", value, False)
                _ask(kit, subject, "ne", value, False)
            _ask(kit, subject, "isnull", True, False)
            _ask(kit, subject, "exists", True, False)

    @case("lookup/and-or-not")
    def test_lookup_and_or_not(self, kit: Kit) -> None:
        """Conditions joined by AND, OR and NOT, nested, mean what they say."""
        one = ("leaf", ("config", "rank"), "gte", 2)
        two = ("leaf", ("state",), "in", ["finished", "crashed"])
        three = ("leaf", ("summary", "loss"), "isnan", True)
        four = ("leaf", ("tags",), "contains", "baseline")
        trees = [
            ("and", [one, two]),
            ("or", [one, three]),
            ("and", [("or", [one, four]), ("not", two)]),
            ("not", ("or", [("and", [one, two]), three])),
            ("or", [("not", four), ("and", [two, ("not", one)])]),
            ("and", [("not", ("and", [one, four])), ("or", [two, three, four])]),
        ]
        for tree in trees:
            expected = [row["id"] for row in kit.rows("Run") if oracle.matches(row, tree)]
            found = kit.names("Run", kit.objects("Run").filter(_as_q(tree)))
            kit.same_rows(found, expected, f"Run.objects.filter({_as_q(tree)})")

    @case("lookup/many-terms")
    def test_lookup_many_terms(self, kit: Kit) -> None:
        """A condition of five hundred terms side by side is answered like a small one."""
        from wbmodel.query.q import Q

        ids = [row["id"] for row in kit.rows("Run")][:3]
        joined = Q(id=ids[0])
        for other in [*(f"nobody-{at}" for at in range(500)), *ids]:
            joined |= Q(id=other)
        found = kit.names("Run", kit.objects("Run").filter(joined))
        kit.same_rows(found, ids, "Run.objects.filter(Q(id=...) | Q(id=...) | 500 more)")
