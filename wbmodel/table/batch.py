"""``ColumnBatch``: some rows of one run's stream, as backends give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from wbmodel.table.table import Table

__all__ = ["ColumnBatch"]


@attrs.frozen(slots=True)
class ColumnBatch(Table):
    """Rows of one run's stream as columns of equal length; a cell that a row lacks is None."""

    run: str
    columns: Mapping[str, Sequence[Any]]
    length: int
