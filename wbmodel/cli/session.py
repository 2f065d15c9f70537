"""Builds sessions and querysets from arguments."""

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
    """The plugin manager for these arguments."""
    from wbmodel.registry import default_plugin_manager, make_plugin_manager

    return make_plugin_manager(foreign=False) if arguments.no_plugins else default_plugin_manager()


def open_session(arguments: argparse.Namespace, place: str | None = None, *, entity: bool = False) -> Session:
    """A new session, for use in a ``with`` block. ``place`` is the positional project (or entity)."""
    from wbmodel.session.current import connect
    from wbmodel.session.settings import NO_URL

    project, owner = arguments.project, arguments.entity
    if place is not None and entity:
        if owner is not None and owner != place:
            raise ConfigurationError(f"{place!r} and --entity {owner!r} name two entities; pass only one of them")
        owner = place
    elif place is not None:
        place = place.strip("/")
        if project is not None and project != place:
            raise ConfigurationError(f"{place!r} and --project {project!r} name two projects; pass only one of them")
        project = place
    try:
        return connect(
            arguments.url,
            project=project,
            entity=owner,
            timeout=arguments.timeout,
            name="command line",
            default=False,
            plugins=plugin_manager(arguments) if arguments.no_plugins else None,
        )
    except ConfigurationError as error:
        if str(error) != NO_URL:
            raise
        # The error's own words are about Python.
        raise ConfigurationError(
            "where is the data? pass -u URL or set WBMODEL_URL: https://api.wandb.ai for W&B (`wandb login` or "
            "WANDB_API_KEY gives it the key and is enough), fixtures:PATH for a world of your own, demo: for a try"
        ) from None


def conditioned(rows: QuerySet[Any, Any], arguments: argparse.Namespace) -> QuerySet[Any, Any]:
    """``rows`` with the filters and order of the arguments. Raises ``FieldError``, which points at the position."""
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
