"""Orders as ``wandb.Api`` takes them: ``"-created_at"``, ``"+summary_metrics.loss"``, ``"config.lr.value"``."""

from __future__ import annotations

from typing import Any

from wbmodel.errors import FieldError, suggestion
from wbmodel.query.dialects.mongo import names, path_of
from wbmodel.query.f import PathExpr

__all__ = ["order_keys"]


def order_keys(entity: type[Any], order: str | None) -> list[PathExpr]:
    """The keys of an order, in turn; a key without a sign descends. None and ``""`` are the default: newest first.

    Raises :class:`~wbmodel.errors.FieldError` (a ``ValueError``) for a key that is not a field, and ``TypeError`` for
    what is not text.
    """
    if order is not None and not isinstance(order, str):
        raise TypeError(f"order must be text such as '-created_at', not {order!r}")
    return [_key(entity, part.strip()) for part in (order or "").split(",") if part.strip()]


def _key(entity: type[Any], part: str) -> PathExpr:
    sign, name = (part[0], part[1:].strip()) if part[0] in "+-" else ("-", part)
    path = path_of(entity, name)
    if path is None:
        hint = f"; did you mean 'summary_metrics.{name}'?" if "." not in name else ""
        known = hint or suggestion(name.partition(".")[0], names(entity), "known fields")
        raise FieldError(f"order {part!r}: {name!r} is not a field to order by{known}")
    return path.asc() if sign == "+" else path.desc()
