"""What a backend promises: pure data."""

from __future__ import annotations

from typing import Any

import attrs

__all__ = ["Capabilities"]


def _flag(default: Any, doc: str) -> Any:
    return attrs.field(default=default, metadata={"doc": doc})


@attrs.frozen(slots=True, kw_only=True)
class Capabilities:
    """What a backend promises. The defaults are the weakest promises: what can be assumed of a live server.

    Each flag's meaning is in its field's ``metadata["doc"]``. The conformance kit fails a flag that is wrongly on or
    wrongly off.
    """

    strict_values: bool = _flag(
        False,
        "Equality and comparison respect case and never cross types, NaN never compares, lists in config and summary "
        "are opaque; a pushed filter is not checked again locally.",
    )
    literal_keys: bool = _flag(False, r"A filter or order path may write a literal dot inside a key as `\.`.")
    regex: bool = _flag(False, "`$regex` is Python's `re.search`.")
    exists: bool = _flag(False, "`$exists` tells an absent key from a null one.")
    multi_order: bool = _flag(
        False, "Several order keys may be joined by commas; ties are ordered newest first, then by id."
    )
    nulls_last: bool = _flag(
        False,
        "NULL, absent and NaN sort last in both directions. If a key holds values of several types, they sort "
        "in the documented order: numbers, text, booleans, lists, objects; descending reverses it.",
    )
    count: bool = _flag(True, "`runCount` and `totalCount` honour filters.")
    all_projects: bool = _flag(False, "A query without a project covers every project that the viewer can see.")
    filtered: frozenset[str] = _flag(frozenset({"Run"}), "GraphQL types whose connections take `filters` and `order`.")
    page_size: int = _flag(100, "Rows to request in the first page.")
    max_page_size: int = _flag(1000, "Rows to request in one page at most.")
    max_aliases: int = _flag(20, "Parents that one document may query by aliases.")
    in_process: bool = _flag(
        False, "Requests cost no round trip, so work that is done locally instead of by the backend causes no warning."
    )
    concurrent: bool = _flag(False, "`execute_many` runs its requests concurrently, and reading ahead saves time.")
    stable_cursors: bool = _flag(
        False,
        "A cursor continues after its row while rows are added and removed: pages neither repeat nor skip a row that "
        "stays.",
    )
    writable: bool = _flag(False, "Mutations work.")
    columns: bool = _flag(False, "`read` is answered directly, without documents.")
    append: bool = _flag(False, "`append` writes rows to a run's streams.")
    blobs: bool = _flag(
        False,
        "Files are read by `open` and `fetch`, and stored by `put` if the backend is writable and has that method.",
    )

    @classmethod
    def doc(cls, name: str) -> str:
        """The one-line meaning of flag ``name``; ``KeyError`` for a name that is not a flag."""
        return str(attrs.fields_dict(cls)[name].metadata["doc"])
