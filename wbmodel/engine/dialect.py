"""Switches for what is not known of the real server. The default is what wbmodel promises of its own backends."""

from __future__ import annotations

from itertools import permutations
from typing import Any, Literal

import attrs

from wbmodel.errors import ConfigurationError

__all__ = ["FILTERED", "TYPES", "Dialect", "ValueType"]

FILTERED = frozenset({"Run", "Sweep", "Project", "View", "ArtifactCollection", "Artifact", "User"})
"""GraphQL types whose connections take ``filters`` and ``order``."""

ValueType = Literal["number", "text", "bool", "list", "object"]

TYPES: tuple[ValueType, ...] = ("number", "text", "bool", "list", "object")
"""The types of values in their documented order."""


def _each_type_once(dialect: Dialect, attribute: attrs.Attribute[Any], types: Any) -> None:
    if not isinstance(types, tuple) or len(types) != len(TYPES) or any(name not in types for name in TYPES):
        raise ConfigurationError(f"Dialect(types=...) takes the tuple {TYPES!r} in any order, not {types!r}")


@attrs.frozen(slots=True, kw_only=True)
class Dialect:
    """How filters, orders and pages behave.

    The defaults: negation keeps rows that lack the key; null, absent and NaN sort last; types are kept apart, numbers
    before text before booleans before lists before objects; case matters; lists in config and summary are opaque; ties
    stand newest first, then by name, then by node id; several order keys.
    """

    ne_keeps_null: bool = True
    """``$ne`` and ``$nin`` match rows where the key is null or absent (if False, they drop them, as SQL does)."""

    nulls: Literal["last", "first"] = "last"
    """Where rows without a value stand in an order, in both directions."""

    types: tuple[ValueType, ...] = attrs.field(default=TYPES, validator=_each_type_once)
    """The types in ascending order, where one key has values of several; a descending order reverses them. Dates are
    numbers. Lists and objects stand by their JSON text among themselves."""

    nan: Literal["token", "text"] = "token"
    """``token``: NaN is a number that no comparison matches and that sorts with the nulls. ``text``: non-finite numbers
    behave as the texts "NaN", "Infinity" and "-Infinity", in orders too."""

    case_blind: bool = False
    """Equality and patterns on text ignore case."""

    cross_types: bool = False
    """Text that looks like a number compares with numbers, and true equals 1."""

    arrays: Literal["opaque", "elements"] = "opaque"
    """``elements``: a condition on a list in config or summary also looks at its elements, as MongoDB does."""

    null_comparisons: bool = False
    """``$gte`` and ``$lte`` with null match null, and comparisons of true and false work, as in MongoDB."""

    ties: Literal["newest", "arbitrary"] = "newest"
    """``arbitrary``: rows that tie come in a shuffled order that depends on :attr:`seed` and stays the same."""

    seed: int = 0
    """For :attr:`ties`."""

    multi_order: bool = True
    """If False, only the first order key counts."""

    literal_keys: bool = True
    r"""``\.`` in a path is a dot inside a key and ``\\`` a backslash. If False, every dot separates."""

    max_page: int = 1000
    """The most rows of one page; a greater ``first`` is cut to it."""

    max_depth: int = 100
    """How deep a filter may nest."""

    missing_user: Literal["null", "nobody"] = "null"
    """``nobody``: a run without a user shows one of that name, because wandb 0.31.0 cannot read a run whose ``user`` is
    null (seen); real servers have a user for each. Filters and orders do not see it."""

    features: frozenset[str] = frozenset()
    """Names that ``serverInfo.features`` lists as enabled."""

    filtered: frozenset[str] = FILTERED
    """Types whose connections take ``filters`` and ``order``; any other connection refuses them with an error."""

    @classmethod
    def mongo(cls) -> Dialect:
        """MongoDB's rules, as far as the filter language is shared with it."""
        return cls(arrays="elements", literal_keys=False, null_comparisons=True)

    @classmethod
    def hostile(cls, seed: int = 0) -> Dialect:
        """Everything that is not known goes the other way; for testing that a compiler relies on none of it.

        ``seed`` picks the order of types, never the documented one, and shuffles ties.
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
            max_page=7,
            features=frozenset({"A_FEATURE_NOBODY_KNOWS"}),
            filtered=frozenset({"Run"}),
        )
