"""Several types under one order key: the documented order, however a server that promises nothing orders types, nulls
and infinities.

A whole result is in the documented order, without a word. A slice is too, or it says so, or it saw one type only: a
server that puts texts first gives a slice of texts, and where that ends nothing tells that numbers follow.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.backends import served
from tests.support.strategies import as_keys, examples, slices
from tests.support.worlds import START, World
from wbmodel import Run
from wbmodel.backend import Capabilities
from wbmodel.engine.dialect import TYPES, Dialect, ValueType
from wbmodel.errors import OrderWarning
from wbmodel.objects.queryset import QuerySet
from wbmodel.testing import oracle

Keys = list[tuple[tuple[str, ...], bool]]

# Every type first, with every other one second.
FIXED = list(permutations(TYPES))[::6]
INFINITIES = (math.inf, -math.inf)
ABSENT: Any = ...
HOME, OTHER = "acme/vision", "acme/nlp"

VALUES = st.one_of(
    st.sampled_from([0, 1, 1.0, -2, 2.5, 10**20]),
    # Texts on either side of "-Infinity", "Infinity" and "NaN", and texts that read like other types.
    st.sampled_from(["", "!", "A", "J", "Z", "a", "1", "true", "[1]"]),
    st.booleans(),
    st.sampled_from([[], [1], [1, 2], ["a"], [[0]]]),
    st.sampled_from([{}, {"a": 1}, {"b": [1]}]),
    st.sampled_from([*INFINITIES, math.nan, None, ABSENT]),
)
PATHS: list[tuple[str, ...]] = [("summary", "k"), ("config", "k"), ("config", "nested", "j"), ("summary", "j")]
KEYS: st.SearchStrategy[Keys] = st.lists(
    st.tuples(st.sampled_from([*PATHS, ("created_at",), ("group",)]), st.booleans()),
    min_size=1,
    max_size=2,
    unique_by=lambda item: item[0],
)
ROWS = st.lists(st.tuples(VALUES, VALUES, st.integers(0, 3), st.booleans()), min_size=3, max_size=14)

CONDITIONS: dict[str, Any] = {
    "none": ("and", []),
    # The server answers this one, and that one is asked of each row here.
    "pushed": ("leaf", ("state",), "exact", "finished"),
    "local": ("leaf", ("name",), "iregex", "^even"),
}
FILTERS: dict[str, dict[str, Any]] = {"none": {}, "pushed": {"state": "finished"}, "local": {"name__iregex": "^EVEN"}}


@attrs.frozen
class Server:
    """A server that promises nothing, and ``page``, how many rows it is asked for at once."""

    dialect: Dialect
    page: int
    reads_ahead: bool = False

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(page_size=self.page, max_page_size=self.page, max_aliases=3, concurrent=self.reads_ahead)


SERVERS = st.builds(
    Server,
    st.builds(
        Dialect,
        types=st.permutations(TYPES).map(tuple),
        nulls=st.sampled_from(["first", "last"]),
        nan=st.sampled_from(["token", "text"]),
        multi_order=st.booleans(),
        ties=st.sampled_from(["newest", "arbitrary"]),
        ne_keeps_null=st.booleans(),
        max_page=st.sampled_from([1, 2, 3, 5, 7, 1000]),
    ),
    st.integers(1, 7),
    st.booleans(),
)


def world(rows: Sequence[tuple[Any, Any, int, bool]]) -> World:
    """Runs with the first value under ``k`` and the second under ``j``, on one of four days, at home or elsewhere."""

    def under(key: str, value: Any) -> dict[str, Any]:
        return {} if value is ABSENT else {key: value}

    runs = [
        {
            "project": HOME if at_home else OTHER,
            "id": f"r{index:02d}",
            "name": "odd" if index % 2 else "even",
            "state": "crashed" if index % 3 else "finished",
            "tags": [],
            "group": ["g", "h", None][index % 3],
            "config": {**under("k", first), "nested": under("j", second)},
            "summary": {**under("k", first), **under("j", second)},
            "job_type": None,
            "notes": None,
            "user": "ada",
            "sweep": None,
            "created_at": START + timedelta(days=day),
            "heartbeat_at": None,
        }
        for index, (first, second, day, at_home) in enumerate(rows)
    ]
    projects = {path: {"description": None, "created_at": START} for path in (HOME, OTHER)}
    return World(projects, runs, [], [], [])


def ids_and_warnings(rows: QuerySet[Run]) -> tuple[list[str], list[str]]:
    """The ids of rows, evaluated, and what was said of their order."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", OrderWarning)
        found = [run.id for run in rows]
    return found, [str(item.message) for item in caught if issubclass(item.category, OrderWarning)]


def is_mixed(rows: Sequence[dict[str, Any]], keys: Keys) -> bool:
    """Whether rows have several types, or an infinity, under the key that a server orders them by: the first that they
    do not lack."""
    if not keys:
        return False
    given = [(row, oracle.look(row, keys[0][0])) for row in rows]
    there = [value for _, value in given if value is not None and value is not oracle.ABSENT and value == value]
    lacking = [row for row, value in given if value is None or value is oracle.ABSENT or value != value]
    kinds = {"number" if type(value) in (int, float) else type(value).__name__ for value in there}
    infinite = any(type(value) is float and math.isinf(value) for value in there)
    return len(kinds) > 1 or infinite or is_mixed(lacking, keys[1:])


def check(server: Server, made: World, projects: Sequence[str], keys: Keys, asked: str, cut: Any) -> None:
    """That a query and its slice are in order, as far as this module promises."""
    rows = [row for row in made.of(*projects) if oracle.matches(row, CONDITIONS[asked])]
    expected = [row["id"] for row in oracle.ordered(rows, keys)]
    kind = "weak" if server.reads_ahead else "drops"
    with served(made.store(), kind, dialect=server.dialect, capabilities=server.capabilities) as session:
        query = Run.objects.using(session).filter(project__in=list(projects), **FILTERS[asked]).order_by(*as_keys(keys))
        found, said = ids_and_warnings(query)
        assert found == expected
        assert said == []
        start, stop = cut
        found, said = ids_and_warnings(query.all()[start:stop])
    wanted = expected[start:stop]
    assert len(found) == len(set(found)) == len(wanted)
    if found != wanted and not said:
        got = [row for row in rows if row["id"] in found]
        assert not is_mixed(got, keys), f"{found} in place of {wanted}, without a word"
    if not is_mixed(rows, keys):
        assert (found, said) == (wanted, [])


@pytest.mark.parametrize("types", FIXED, ids="-".join)
@examples(12)
@given(server=SERVERS, rows=ROWS, keys=KEYS, cut=slices)
def test_the_documented_order_whatever_the_servers(
    types: tuple[ValueType, ...], server: Server, rows: Any, keys: Keys, cut: Any
) -> None:
    server = attrs.evolve(server, dialect=attrs.evolve(server.dialect, types=types))
    check(server, world([(*row[:3], True) for row in rows]), [HOME], keys, "none", cut)


@examples(100)
@given(server=SERVERS, rows=ROWS, keys=KEYS, cut=slices, asked=st.sampled_from(sorted(CONDITIONS)))
def test_with_a_filter(server: Server, rows: Any, keys: Keys, cut: Any, asked: str) -> None:
    check(server, world([(*row[:3], True) for row in rows]), [HOME], keys, asked, cut)


@examples(100)
@given(server=SERVERS, rows=ROWS, keys=KEYS, cut=slices, asked=st.sampled_from(sorted(CONDITIONS)))
def test_over_two_projects(server: Server, rows: Any, keys: Keys, cut: Any, asked: str) -> None:
    check(server, world(rows), [HOME, OTHER], keys, asked, cut)


# -- the smallest examples -------------------------------------------------------------------------

TEXT_FIRST = Dialect(types=("text", "number", "bool", "list", "object"))
LISTS_FIRST = Dialect(types=("list", "number", "text", "bool", "object"))
INFINITY_AS_TEXT = Dialect(nan="text", multi_order=False)
SMALLEST = [
    pytest.param(INFINITY_AS_TEXT, [1, 2, -math.inf], [-math.inf, 1, 2], id="infinities-as-text"),
    pytest.param(LISTS_FIRST, [[1, 2], [3, 4], 64], [64, [1, 2], [3, 4]], id="lists-first"),
    pytest.param(TEXT_FIRST, ["a", "b", 5], [5, "a", "b"], id="text-first"),
]


def values(dialect: Dialect, given_: list[Any], page: int, *, descending: bool = False, stop: int | None = None) -> Any:
    """The values under ``summary.k`` in order, and what was said."""
    made = world([(value, None, 0, True) for value in given_])
    server = Server(dialect, page)
    with served(made.store(), "drops", dialect=dialect, capabilities=server.capabilities) as session:
        rows = Run.objects.using(session).order_by(("-" if descending else "") + "summary.k")[:stop]
        found, said = ids_and_warnings(rows)
    return [given_[int(run_id[1:])] for run_id in found], said


@pytest.mark.parametrize("page", [1, 2, 3, 100])
@pytest.mark.parametrize(("dialect", "given_", "ascending"), SMALLEST)
def test_the_whole_is_in_order_without_a_word(
    dialect: Dialect, given_: list[Any], ascending: list[Any], page: int
) -> None:
    assert values(dialect, given_, page) == (ascending, [])
    assert values(dialect, given_, page, descending=True) == (ascending[::-1], [])


@pytest.mark.parametrize("stop", [2, 3])
@pytest.mark.parametrize(("dialect", "given_", "ascending"), SMALLEST)
def test_a_slice_whose_page_shows_another_type_is_right_or_says_so(
    dialect: Dialect, given_: list[Any], ascending: list[Any], stop: int
) -> None:
    """One row more than the slice has is read, for ties: here it has another type, or is an infinity."""
    found, said = values(dialect, given_, 100, stop=stop)
    assert found == ascending[:stop] or said


def test_rows_of_a_page_that_were_not_handed_out_are_ordered_with_the_rest() -> None:
    given_ = [-1, -math.inf, "M", 3, "B", math.inf, 2, math.nan, "Z"]
    found, said = values(INFINITY_AS_TEXT, given_, 3)
    assert repr(found) == repr([-math.inf, -1, 2, 3, math.inf, "B", "M", "Z", math.nan])
    assert said == []
