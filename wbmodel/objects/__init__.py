"""The user-facing objects: querysets, managers, relations and results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wbmodel.query.lookups import add_source

__all__: list[str] = []


def _plugin_lookups() -> Mapping[str, Any]:
    from wbmodel.registry import default_plugin_manager

    return default_plugin_manager().lookups()


add_source(_plugin_lookups)
