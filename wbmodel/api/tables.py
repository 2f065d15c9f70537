"""Tables of artifacts, as scripts read ``wandb.Table``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

    from wbmodel.table.table import Table as Rows

__all__ = ["Table"]


class Table:
    """A table that was logged: ``artifact.get("predictions")``. ``columns`` are the names, ``data`` the rows as lists.
    :attr:`model` has ``records()``, ``to_polars()`` and the like."""

    def __init__(self, model: Rows) -> None:
        self.model = model
        self.columns: list[str] = list(model.columns)
        self.data: list[list[Any]] = [list(row) for row in zip(*model.columns.values(), strict=True)]

    def get_column(self, name: str, convert_to: Literal["numpy"] | None = None) -> Any:
        """The values of a column, as a list or an array of numpy. Raises ``KeyError``."""
        values = list(self.model.columns[name])
        if convert_to is None:
            return values
        import numpy as np

        return np.array(values)

    def get_index(self) -> list[int]:
        """The numbers of the rows."""
        return list(range(len(self.data)))

    def iterrows(self) -> Iterator[tuple[int, list[Any]]]:
        """The number and the cells of each row."""
        return iter(list(enumerate(self.data)))

    def get_dataframe(self) -> pd.DataFrame:
        """A pandas frame."""
        from wbmodel.table.exports import need

        frame: pd.DataFrame = need("pandas").DataFrame.from_records(self.data, columns=self.columns)
        return frame

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        return f"<Table of {len(self)} rows: {', '.join(self.columns)}>"
