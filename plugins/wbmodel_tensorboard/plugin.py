"""The entry point: registers the scheme ``tensorboard``. Imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from wbmodel.hookspecs import BackendFactory, RegisterBackends, hookimpl

if TYPE_CHECKING:
    from wbmodel.engine.dialect import Dialect
    from wbmodel_tensorboard.backend import TensorBoardBackend

__all__ = ["tensorboard", "wbmodel_register_backends"]


def tensorboard(
    url: str,
    /,
    *,
    stale_after: float = 600.0,
    dialect: Dialect | None = None,
) -> TensorBoardBackend:
    """The backend of a ``tensorboard:`` URL; the options are those of ``TensorBoardBackend``."""
    from wbmodel_tensorboard.backend import TensorBoardBackend

    return TensorBoardBackend(url, stale_after=stale_after, dialect=dialect)


@hookimpl
def wbmodel_register_backends(register: RegisterBackends) -> None:
    """``tensorboard:FOLDER``."""
    # The protocol says "any options"; this factory names its own, so that connect() can refuse a misspelt one.
    factory = cast("BackendFactory", tensorboard)
    register(
        "tensorboard",
        factory,
        schemes=("tensorboard",),
        requires=("tensorboard", ("google.protobuf", "google_crc32c", "platformdirs")),
        api_version=0,
    )
