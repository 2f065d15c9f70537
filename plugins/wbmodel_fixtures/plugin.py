"""The entry point: registers the schemes ``fixtures`` and ``demo``. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from wbmodel.hookspecs import BackendFactory, RegisterBackends, hookimpl

if TYPE_CHECKING:
    from pathlib import Path

    from wbmodel.engine.dialect import Dialect
    from wbmodel_fixtures.backend import FixturesBackend

__all__ = ["fixtures", "wbmodel_register_backends"]


def fixtures(
    url: str,
    /,
    *,
    world: Mapping[str, Any] | None = None,
    root: str | Path | None = None,
    dialect: Dialect | None = None,
    max_bytes: int | None = None,
    max_depth: int | None = None,
) -> FixturesBackend:
    """The backend of a ``fixtures:`` or ``demo:`` URL; the options are those of ``FixturesBackend``."""
    from wbmodel_fixtures.backend import FixturesBackend

    return FixturesBackend(url, world=world, root=root, dialect=dialect, max_bytes=max_bytes, max_depth=max_depth)


@hookimpl
def wbmodel_register_backends(register: RegisterBackends) -> None:
    """``fixtures:PATH``, ``fixtures:`` with ``world=``, and ``demo:``."""
    # The protocol says "any options"; this factory names its own, so that connect() can refuse a misspelt one.
    factory = cast("BackendFactory", fixtures)
    register("fixtures", factory, schemes=("fixtures", "demo"), api_version=0)
