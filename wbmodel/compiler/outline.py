"""A physical plan as text, one line per step, for ``explain().outline`` and for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wbmodel.codec import dumps
from wbmodel.compiler.physical import ForEach, Get, Merge, Parent, Scan, SortHere, Step, Ties, ValuesFirst
from wbmodel.meta import Route
from wbmodel.query.order import OrderKey

__all__ = ["outline"]


def outline(step: Step) -> str:
    """The steps of a plan, each followed by its indented sources."""
    return "\n".join(_lines(step))


def _lines(step: Step) -> Iterator[str]:
    yield _head(step)
    for label, part in _parts(step):
        for at, line in enumerate(_lines(part)):
            yield f"  {label if at == 0 else ''}{line}"


def _parts(step: Step) -> list[tuple[str, Step]]:
    if isinstance(step, Merge):
        return [("", source) for source in step.sources]
    if isinstance(step, ValuesFirst):
        return [("with: ", step.present), ("without: ", step.absent)]
    if isinstance(step, Ties):
        return [("", step.source), *([("far end: ", step.far)] if step.far is not None else [])]
    if isinstance(step, SortHere):
        return [("", step.source)]
    return [("each: ", step.then)] if isinstance(step, ForEach) else []


def _head(step: Step) -> str:
    if isinstance(step, Scan):
        return f"Scan {_way(step.route)} {_place(step.parent)}{_details(step)}"
    if isinstance(step, Ties):
        return f"Ties in {step.key}, ordered locally by {_keys(step.rest)}"
    if isinstance(step, ValuesFirst):
        return f"ValuesFirst of {step.present.key.path.dotted}"
    if isinstance(step, SortHere):
        return f"SortHere by {_keys(step.keys)}"
    if isinstance(step, Merge):
        return f"Merge by {_keys(step.keys)}" if step.keys else "Merge" if step.sources else "Nothing"
    if isinstance(step, Get):
        places = ", ".join(map(_place, step.parents))
        key = "" if step.key is None else f" key={step.key}"
        return f"Get {_way(step.route)} {places}{key}{' check' if step.check is not None else ''}"
    return f"ForEach {step.expansion.via}"


def _details(scan: Scan) -> str:
    said = [
        "" if scan.filter is None else f"filter={dumps(scan.filter)}",
        f"names={dumps(list(scan.names))}" if scan.names else "",
        "" if scan.order is None else f"order={scan.order}",
        "" if scan.keyset is None else "pages by date",
        "" if scan.check is None else "check",
        "" if scan.limit is None else f"limit={scan.limit}",
        "counted" if scan.counted else "",
    ]
    return "".join(f" {word}" for word in said if word)


def _way(route: Route) -> str:
    names = [step.field for step in route.steps]
    return ".".join(names if route.connection is None else [*names, route.connection])


def _place(parent: Parent) -> str:
    return f"({', '.join(f'{name}={value}' for name, value in parent.items() if value is not None)})"


def _keys(keys: Sequence[OrderKey]) -> str:
    return ", ".join(map(str, keys)) or "nothing"
