"""The type variables of querysets: the entity, and the type of the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import TypeVar
else:
    # typing_extensions costs as much to import as the rest of this package; only type checkers need the default.
    import typing

    def TypeVar(name: str, *, covariant: bool, default: Any = None) -> Any:  # noqa: N802
        """A type variable without its default, which Python supports only from 3.13."""
        return typing.TypeVar(name, covariant=covariant)


__all__ = ["E_co", "R_co"]

E_co = TypeVar("E_co", covariant=True)
R_co = TypeVar("R_co", covariant=True, default=E_co)
