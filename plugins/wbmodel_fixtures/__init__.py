"""The ``fixtures:`` and ``demo:`` backends: worlds written by hand in YAML or JSON, executed in memory.

``connect("fixtures:PATH")`` reads a file or a folder, ``connect("fixtures:", world={...})`` takes a dict literal and
``connect("demo:")`` is a world of real runs that comes with the package. The format: docs/reference/fixtures-format.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wbmodel_fixtures.backend import FixturesBackend, world_from

__all__ = ["FixturesBackend", "world_from"]


def __getattr__(name: str) -> Any:
    # Every connect imports the plugin module, and few need this backend.
    if name in __all__:
        from wbmodel_fixtures import backend

        return getattr(backend, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
