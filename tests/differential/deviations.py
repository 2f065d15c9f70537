"""What differs from the starting revision on purpose, each with its reason. Nothing is taken out to get through."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence

import attrs

from tests.differential.comparing import Difference, call_of

__all__ = ["DEVIATIONS", "Deviation", "uncovered"]


@attrs.frozen(kw_only=True)
class Deviation:
    """A difference that is meant. All patterns must be found (``re.search``) and ``holds(before, after)`` be true; with
    ``beside``, what another difference of the same call shows now must be so, too; with ``right``, the call must give
    what the fixtures give, which it did not before."""

    reason: str
    part: str = ""
    seed: str = ""
    home: str = ""
    field: str = ""
    before: str = ""
    after: str = ""
    holds: Callable[[str, str], bool] = lambda before, after: True
    beside: Callable[[str], bool] | None = None
    right: bool = False

    def covers(self, found: Difference, call: Sequence[Difference] = ()) -> bool:
        """Whether ``found`` is this one; ``call`` are all differences of its call."""
        named = ("part", "seed", "home", "field", "before", "after")
        return (
            all(re.search(getattr(self, name), getattr(found, name), re.DOTALL) for name in named)
            and self.holds(found.before, found.after)
            and (found.right or not self.right)
            and (self.beside is None or any(self.beside(other.after) for other in call if other is not found))
        )


_WARNING = re.compile(r"(, )?OrderWarning at the caller: the server orders .*? if this matters")
_COUNT = "runCount(filters:$filters)"
_VARIABLE = re.compile(r""",?\s*\$far: String|["']far["']: ?["'].*?["'](?=[,}])""")
_LACKING = re.compile(r"; 1 or more for rows that lack .*?, if still needed")


def _without_the_far_row(text: str) -> str:
    """What is now, without the row from the other end of an order, and without the queries that explain() names."""
    text = _VARIABLE.sub("", _plain(_LACKING.sub("", text)))
    while (begin := text.find("far: ")) >= 0:
        end, depth = text.index("{", begin) + 1, 1
        while depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        text = text[:begin] + text[end:]
    return _squeezed(text)


def _plain(text: str) -> str:
    return text.replace("\\n", "\n").replace("\\", "")


def _squeezed(text: str) -> str:
    # A longer list of arguments or variables is broken into lines, and then has no commas.
    return re.sub(r"[\s,]+", "", text)


def _any_size(text: str) -> str:
    return re.sub(r"first[^0-9]{1,6}\d+", "first", _without_the_far_row(text))


def _reads_on(text: str) -> bool:
    return "far" in text or "'query'" in text or '"first":7' in _squeezed(_plain(text))


def _from_the_other_end(before: str, after: str) -> bool:
    one, other = (re.search(r'"order": "([+-])(.*?)"', text) for text in (before, after))
    return one is not None and other is not None and one[1] != other[1] and one[2] == other[2]


def _full_page(text: str) -> str:
    return re.sub(r'("first": )100(?=\D)', r"\g<1>1000", text)


def _any_cursor(text: str) -> str:
    return re.sub(r'("after": )"[\w=-]+"', r"\g<1>null", text)


def _without_the_count(text: str) -> str:
    return re.sub(r"sent requests \d+", "", _LACKING.sub("", text))


DEVIATIONS: tuple[Deviation, ...] = (
    Deviation(
        reason="a server that orders types, text or infinities in a way of its own gave rows in its order, and slices "
        "of them (the ordering fault)",
        part="querysets",
        home=r"^(?!fixtures|full)",
        right=True,
    ),
    Deviation(
        reason="an order by a key of config or summary asks for the row at its other end too, to see whether there are "
        "values of other types than numbers (the ordering fault); explain() names the queries for rows that lack a key",
        after=r"far|rows that lack",
        holds=lambda before, after: _squeezed(_plain(before)) == _without_the_far_row(after),
    ),
    Deviation(
        reason="a slice of distinct results is not one of rows: explain() and query show the page that is asked for",
        part="querysets",
        field="explain|query",
        holds=lambda before, after: (
            "until the slice is filled" in after
            # What may take several pages is counted along with the first.
            or _any_size(before) in (_any_size(after), _any_size(after).replace(_COUNT, ""))
        ),
    ),
    Deviation(
        reason="a section of a report that is not a mapping is a FieldError that says so, not an AttributeError",
        part="querysets",
        field="error",
        before=r"^\[AttributeError|'str' object has no attribute 'get'",
        after=r"FieldError|section: a mapping is needed",
    ),
    Deviation(
        reason="a slice of distinct results that is known to be empty is not asked for",
        part="querysets",
        field="sent|requests|warnings|error",
        after=r"^\(absent\)$",
    ),
    Deviation(
        reason="and so gives no rows where it did not say which project",
        part="querysets",
        field="result",
        before=r"^\(absent\)$",
        after=r"^\[list\]$",
    ),
    Deviation(
        reason="an artifact that does not exist is named by what was asked for",
        before=r"Artifact .{1,6}\(default\).{1,6} does not exist",
        after=r"Artifact .{1,6}[\w:]+.{1,6} does not exist",
    ),
    Deviation(
        reason="a key of config or summary with other values than finite numbers is read on or from its other end, so "
        "that its order is right (the ordering fault); later pages of one order are as large as they may be",
        part="querysets|tables",
        home=r"^(?!fixtures|full)",
        field=r"requests|sent|traced",
        holds=lambda before, after: _reads_on(after) or _from_the_other_end(before, after),
    ),
    Deviation(
        reason="what is read beyond a slice, to order it, is asked for in full pages from the third on: the bound that "
        "explain() gives counts on it",
        part="querysets",
        home=r"^live-(?!full)",
        field=r"\.requests\[\d+\]\.variables$",
        holds=lambda before, after: _full_page(before) == after,
    ),
    Deviation(
        reason="the cursors of the engine tell lists from objects, and follow its dialect's order of types",
        part="querysets",
        field=r"\.requests\[\d+\]\.variables$",
        holds=lambda before, after: _any_cursor(after) in map(_any_cursor, (before, _full_page(before))),
    ),
    Deviation(
        reason="and so its requests come in another order",
        part="querysets",
        home=r"^(?!fixtures|full)",
        field=r"\.requests\[\d+\]\.document$",
        holds=lambda before, after: (
            re.sub(r"\s*runCount\(.*?\)", "", before) == re.sub(r"\s*runCount\(.*?\)", "", after)
        ),
        beside=_reads_on,
    ),
    Deviation(
        reason="and so the number of requests is another",
        part="querysets|tables",
        home=r"^(?!fixtures|full)",
        field=r"requests|sent|traced",
        holds=lambda before, after: before.isdigit() and after.isdigit(),
        beside=_reads_on,
    ),
    Deviation(
        reason="and no warning says that the order is not right",
        part="querysets",
        home=r"^(?!fixtures|full)",
        field=r"\.warnings$",
        holds=lambda before, after: _WARNING.sub("", before) == after,
    ),
    Deviation(
        reason="and explain(analyze=True) counts them",
        part="querysets",
        home=r"^(?!fixtures|full)",
        field=r"^\.explain\(analyze=True\)\.result$",
        holds=lambda before, after: _without_the_count(before) == _without_the_count(after),
        beside=_reads_on,
    ),
    Deviation(
        reason="explain() said of a query that reads every row first that it ends when the slice is filled",
        part="querysets",
        field="explain",
        before=r"until the slice is filled",
        holds=lambda before, after: before.replace(" until the slice is filled", "") == after,
    ),
    Deviation(
        reason="plugin authors see version 0 of the contract: asks and doors, a store of views and questions, faults "
        "behind a protocol (paths that the docs name are held by tests/architecture)",
        part="names",
        seed=r"^(wbmodel\.(backend|request|hookspecs|registry|engine|server|testing)|wbmodel_fixtures|wbmodel_live)\b",
    ),
    Deviation(
        reason="what the drivers told a session is told to observers",
        part="names",
        seed=r"\bSession\.(failed|received|sending|in_turn|wrappers)$",
    ),
    Deviation(
        reason="an operation is one type, wherever it is named; a deadline is for all that is asked, streams too",
        part="names",
        seed=r"\bSession\.a?(run|iterate)$",
        holds=lambda before, after: re.sub(r"\bdrive\.|\bits$", "", before) == re.sub(r"\bthat$", "", after),
    ),
    Deviation(
        reason="session.execute takes the documents of gql and graphql-core as well",
        part="names",
        seed=r"\bSession\.a?execute$",
    ),
    Deviation(
        reason="traces and spans are observers, and see every door",
        part="names",
        seed=r"^wbmodel\.session\.(trace|otel)\.",
    ),
    Deviation(
        reason="the engine's dialect has a switch for the order of types",
        part="names",
        after=r"types: 'tuple\[ValueType",
    ),
    Deviation(
        reason="OrderWarning is given where a server turns out to order otherwise too, and its text says so now",
        part="names",
        field="doc",
        before=r"^Ordering needs many more rows than were asked for\.$",
    ),
    Deviation(
        reason="three docstrings are plain English now",
        part="names",
        field="doc",
        before=r"where there is no such row|to whoever iterates|that is no flag",
    ),
    Deviation(
        reason="a store gives the size of an artifact; its files are rows of a relation and no longer in the record",
        part="names",
        field="kind",
        before=r"^property$",
        after=r"^attribute$",
    ),
    Deviation(
        reason="the server stands in a package of its own; the path that the docs name leads there",
        part="names",
        before=r"wbmodel\.engine\.server\.Server",
        after=r"wbmodel\.server\.Server",
    ),
    Deviation(
        reason="faults are of the server for tests, which the path that the docs name leads to",
        part="names",
        before=r"^\(engine: 'Engine'|Iterator\[Server\]'$",
        after=r"faults: 'Faults \| None' = None, \*\*options|Iterator\[FaultyServer\]'$",
    ),
    Deviation(
        reason="the same, in words",
        part="names",
        field="doc",
        before=r"^``engine`` behind HTTP|^A running :class:`Server` on a thread",
        after=r"to whose requests things happen|^A server over ``world``",
    ),
    Deviation(
        reason="a backend need not be one of ours for a warning to be about the caller's line",
        part="names",
        field="doc",
        before=r"nor one of its backends as the place",
        after=r"nor a backend as the place",
    ),
    Deviation(
        reason="discovery.find took the queryset, the terms and the owner of an operation; no page named it, and "
        "QuerySet.fields() is the way",
        part="names",
        before=r"Operation\[list\[FieldInfo\]\]",
        after=r"\(absent\)",
    ),
    Deviation(
        reason="what watch() gives is made by Watch",
        before=r"Watching\.a?watch",
        after=r"Watch\.a?changes",
    ),
)


def uncovered(found: list[Difference]) -> tuple[list[Difference], set[Deviation]]:
    """The differences that no deviation covers, and the deviations that cover some."""
    calls: defaultdict[tuple[str, ...], list[Difference]] = defaultdict(list)
    for item in found:
        calls[_call(item)].append(item)
    left, used = [], set()
    for item in found:
        covering = [deviation for deviation in DEVIATIONS if deviation.covers(item, calls[_call(item)])]
        used.update(covering)
        if not covering:
            left.append(item)
    return left, used


def _call(item: Difference) -> tuple[str, ...]:
    return item.part, item.seed, item.home, call_of(item.field)
