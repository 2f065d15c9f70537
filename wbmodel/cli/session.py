"""From arguments to a session and a queryset."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from wbmodel.errors import ConfigurationError, FieldError

if TYPE_CHECKING:
    from wbmodel.objects.queryset import QuerySet
    from wbmodel.registry import PluginManager
    from wbmodel.session.session import Session

__all__ = ["conditioned", "open_session", "plugin_manager"]


def plugin_manager(arguments: argparse.Namespace) -> PluginManager:
    """The plugins that these arguments allow."""
    from wbmodel.registry import default_plugin_manager, make_plugin_manager

    return make_plugin_manager(foreign=False) if arguments.no_plugins else default_plugin_manager()


def open_session(arguments: argparse.Namespace, place: str | None = None, *, entity: bool = False) -> Session:
    """A session of its own, to be closed by ``with``. ``place`` is the positional project (or entity)."""
    from wbmodel.session.current import connect

    project, owner = arguments.project, arguments.entity
    if place is not None and entity:
        if owner is not None and owner != place:
            raise ConfigurationError(f"{place!r} and --entity {owner!r} name two entities; give one of them")
        owner = place
    elif place is not None:
        place = place.strip("/")
        if project is not None and project != place:
            raise ConfigurationError(f"{place!r} and --project {project!r} name two projects; give one of them")
        project = place
    return connect(
        arguments.url,
        project=project,
        entity=owner,
        timeout=arguments.timeout,
        name="command line",
        default=False,
        plugins=plugin_manager(arguments) if arguments.no_plugins else None,
    )


def conditioned(rows: QuerySet[Any, Any], arguments: argparse.Namespace) -> QuerySet[Any, Any]:
    """``rows`` with the filters and the order of the arguments. Raises ``FieldError`` that shows the place."""
    from wbmodel.cli.columns import split_list
    from wbmodel.cli.filter_text import FilterSyntaxError, parse_filter

    meta = rows.plan.meta
    for text in arguments.filter:
        condition = parse_filter(text, meta)
        try:
            rows = rows.filter(condition)
        except FilterSyntaxError:
            raise
        except FieldError as error:
            raise FilterSyntaxError(str(error), text, 0) from None
    keys = split_list(getattr(arguments, "order", []))
    return rows.order_by(*keys) if keys else rows
