"""What a backend promises: pure data."""

from __future__ import annotations

from typing import Any

import attrs

__all__ = ["Capabilities"]


def _flag(default: Any, doc: str) -> Any:
    return attrs.field(default=default, metadata={"doc": doc})


@attrs.frozen(slots=True, kw_only=True)
class Capabilities:
    """What a backend promises. The defaults are the weakest promises: what one may assume of a live server.

    Each flag's meaning is its field's ``metadata["doc"]``. A flag that lies either way fails the conformance kit.
    """

    strict_values: bool = _flag(
        False,
        "Equality and comparison respect case and never cross types, NaN never compares, lists in config and summary "
        "are opaque; a pushed filter needs no second look.",
    )
    literal_keys: bool = _flag(False, r"A filter or order path may write a literal dot inside a key as `\.`.")
    regex: bool = _flag(False, "`$regex` is Python's `re.search`.")
    exists: bool = _flag(False, "`$exists` tells an absent key from a null one.")
    multi_order: bool = _flag(False, "Several order keys may be joined by commas; ties come newest first, then by id.")
    nulls_last: bool = _flag(
        False,
        "NULL, absent and NaN sort last in both directions, and where a key holds values of several types, they sort "
        "in the documented order: numbers, text, booleans, lists, objects; descending reverses it.",
    )
    count: bool = _flag(True, "`runCount` and `totalCount` honour filters.")
    all_projects: bool = _flag(False, "A query that names no project means every project the viewer sees.")
    filtered: frozenset[str] = _flag(frozenset({"Run"}), "GraphQL types whose connections take `filters` and `order`.")
    page_size: int = _flag(100, "Rows asked for in a first page.")
    max_page_size: int = _flag(1000, "Rows asked for in one page at most.")
    max_aliases: int = _flag(20, "Parents that one document may hold by aliases.")
    in_process: bool = _flag(
        False, "Requests cost no round trip, so that what is done here and not by the backend is not warned about."
    )
    concurrent: bool = _flag(False, "`execute_many` runs its requests side by side, and reading ahead saves time.")
    stable_cursors: bool = _flag(
        False,
        "A cursor goes on behind its row while rows come and go: pages neither repeat nor miss one that stays.",
    )
    writable: bool = _flag(False, "Mutations work.")
    columns: bool = _flag(False, "`read` is answered directly, without documents.")
    append: bool = _flag(False, "`append` writes rows to a run's streams.")
    blobs: bool = _flag(
        False, "`open` and `fetch` are answered by the backend's own storage, and so is `put` where it is writable."
    )

    @classmethod
    def doc(cls, name: str) -> str:
        """The one-line meaning of flag ``name``; ``KeyError`` for a name that is not a flag."""
        return str(attrs.fields_dict(cls)[name].metadata["doc"])
