"""Switches for unknown behaviour of the real server. The defaults are what wbmodel promises for its own backends."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import permutations
from typing import Any, Literal

import attrs

from wbmodel.engine.histories import Exports, Histories
from wbmodel.errors import ConfigurationError

__all__ = ["FILTERED", "TYPES", "Dialect", "ValueType"]

FILTERED = frozenset({"Run", "Sweep", "Project", "View", "ArtifactCollection", "Artifact", "User"})
"""GraphQL types whose connections take ``filters`` and ``order``."""

ValueType = Literal["number", "text", "bool", "list", "object"]

TYPES: tuple[ValueType, ...] = ("number", "text", "bool", "list", "object")
"""The types of values in their documented order."""


_NAME = re.compile(r"\w+\.\w+(\(\w+\))?")


def _each_type_once(dialect: Dialect, attribute: attrs.Attribute[Any], types: Any) -> None:
    if not isinstance(types, tuple) or len(types) != len(TYPES) or any(name not in types for name in TYPES):
        raise ConfigurationError(f"Dialect(types=...) must be the tuple {TYPES!r} in any order, not {types!r}")


def _names(given: Iterable[str]) -> frozenset[str]:
    names = frozenset((given,) if isinstance(given, str) else given)
    for name in names:
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f'a dialect names a field as "Run.config", an argument as "Run.config(keys)", not {name!r}'
            )
    return names


@attrs.frozen(slots=True, kw_only=True)
class Dialect:
    """How filters, orders and pages behave.

    The defaults: negation keeps rows that lack the key; null, absent and NaN sort last; types are kept apart, numbers
    before text before booleans before lists before objects; case matters; lists in config and summary are opaque; ties
    are ordered newest first, then by name, then by node id; several order keys are allowed.
    """

    ne_keeps_null: bool = True
    """``$ne`` and ``$nin`` match rows where the key is null or absent (if False, they do not, as in SQL)."""

    nulls: Literal["last", "first"] = "last"
    """Where rows without a value sort, in both directions."""

    types: tuple[ValueType, ...] = attrs.field(default=TYPES, validator=_each_type_once)
    """The ascending order of types, for keys with values of several types; a descending order reverses it. Dates are
    numbers. Lists and objects are ordered by their JSON text."""

    nan: Literal["token", "text"] = "token"
    """``token``: NaN is a number that does not match any comparison and sorts with the nulls. ``text``: non-finite
    numbers behave as the texts "NaN", "Infinity" and "-Infinity", in orders too."""

    case_blind: bool = False
    """Equality and patterns on text ignore case."""

    cross_types: bool = False
    """Text that looks like a number compares with numbers, and true equals 1."""

    arrays: Literal["opaque", "elements"] = "opaque"
    """``elements``: a condition on a list in config or summary also tests its elements, as in MongoDB."""

    null_comparisons: bool = False
    """``$gte`` and ``$lte`` with null match null, and comparisons of true and false work, as in MongoDB."""

    ties: Literal["newest", "arbitrary"] = "newest"
    """``arbitrary``: tied rows come in a shuffled order, which depends only on :attr:`seed`."""

    seed: int = 0
    """The seed for :attr:`ties`."""

    multi_order: bool = True
    """If False, only the first order key counts."""

    literal_keys: bool = True
    r"""In a path, ``\.`` is a dot inside a key and ``\\`` is a backslash. If False, every dot separates keys."""

    max_page: int = 1000
    """Maximum rows in one page; a larger ``first`` is reduced to it."""

    max_depth: int = 100
    """Maximum nesting of a filter."""

    max_terms: int = 1_000_000
    """Maximum number of comparisons in a filter; 10,000 at most in a server. Equalities of one key in one ``$or`` count
    as one."""

    max_orders: int = 100
    """Maximum number of keys in an order."""

    regex: Literal["python", "re2"] = "python"
    """What matches ``$regex``: Python's ``re``, or RE2, as at W&B. A server always uses RE2, because its patterns come
    from anybody."""

    missing_user: Literal["null", "nobody"] = "null"
    """``nobody``: a run without a user shows a user of that name, because wandb 0.31.0 cannot read a run whose ``user``
    is null (seen); on real servers every run has a user. Filters and orders do not see this user."""

    live: bool = False
    """A server answers a failed resolver with status 500, as W&B's own (otherwise 200)."""

    lacking: frozenset[str] = attrs.field(default=frozenset(), converter=_names)
    """Fields (``"RunConnection.totalCount"``) and arguments (``"Run.config(keys)"``) that the schema lacks, as that of
    an older server. Documents with them are refused as a whole: ``Cannot query field``, ``Unknown argument``."""

    ignoring: frozenset[str] = attrs.field(default=frozenset(), converter=_names)
    """Arguments (``"Run.config(keys)"``) that are taken, and treated as if they were not there."""

    introspection: bool = True
    """Whether ``__schema`` and ``__type`` are answered; if False, a document with them is refused."""

    cursors: Literal["places", "offsets"] = "places"
    """``offsets``: the cursor of a row is its index in the list at that moment, as W&B's are (base64 of
    ``arrayconnection:<index>``): while runs come and go, pages repeat and skip others. Numbered lines keep theirs."""

    features: frozenset[str] = frozenset()
    """Names that ``serverInfo.features`` lists as enabled."""

    histories: Histories = attrs.field(factory=Histories)
    """How histories are answered."""

    exports: Exports | None = None
    """Which rows of histories a server has exported to Parquet files; None: ``parquetUrls`` is empty."""

    max_answer: int | None = None
    """A server answers 502 instead of more bytes than this, as W&B's does where a document asks for too much."""

    filtered: frozenset[str] = FILTERED
    """Types whose connections take ``filters`` and ``order``; other connections answer them with an error."""

    @property
    def steady(self) -> bool:
        """Whether equal requests have equal answers, as long as nothing changes, so that a server may keep them."""
        return self.histories.steady and self.exports is None  # a URL must not outlive its file

    @classmethod
    def mongo(cls) -> Dialect:
        """MongoDB's rules, for the part of the filter language that it shares."""
        return cls(arrays="elements", literal_keys=False, null_comparisons=True)

    @classmethod
    def hostile(cls, seed: int = 0) -> Dialect:
        """The opposite of every default, to test that a compiler does not rely on unknown behaviour.

        ``seed`` picks an order of types other than the documented one, and shuffles ties.
        """
        from random import Random

        return cls(
            ne_keeps_null=False,
            nulls="first",
            types=Random(seed).choice(list(permutations(TYPES))[1:]),
            nan="text",
            case_blind=True,
            cross_types=True,
            arrays="elements",
            ties="arbitrary",
            seed=seed,
            multi_order=False,
            literal_keys=False,
            cursors="offsets",
            max_page=7,
            histories=Histories.hostile(seed),
            features=frozenset({"A_FEATURE_NOBODY_KNOWS"}),
            filtered=frozenset({"Run"}),
        )
