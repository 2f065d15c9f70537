"""The ``tensorboard:`` backend: folders of TensorBoard event files, read in place. Each folder with event files is a
run; nothing is written beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wbmodel_tensorboard.backend import TensorBoardBackend

__all__ = ["TensorBoardBackend"]


def __getattr__(name: str) -> Any:
    # Every connect imports the plugin module, and few need this backend.
    if name in __all__:
        from wbmodel_tensorboard import backend

        return getattr(backend, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
