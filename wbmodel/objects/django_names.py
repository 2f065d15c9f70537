"""What Django's querysets have and these do not: where to go instead."""

from __future__ import annotations

from wbmodel.errors import nearest

__all__ = ["DJANGO", "missing"]

_SETS = "combine querysets of one project with | and &, or filter(project__in=[...]); add lists for the rest"
_DATES = "use values_list('created_at', flat=True) and truncate in Python, or a frame's own date functions"

DJANGO: dict[str, str] = {
    "alias": "group_by('state').annotate(n=Count()) computes values per group, aggregate() over all rows",
    "annotate": "group_by('state').annotate(n=Count()) computes values per group, aggregate() over all rows",
    "bulk_create": "call create() once per run: a W&B server creates one run per request",
    "bulk_update": "update(...) changes all rows of a queryset; call save() on objects that change differently",
    "complex_filter": "filter() takes Q objects and keyword lookups",
    "dates": _DATES,
    "datetimes": _DATES,
    "difference": _SETS,
    "extra": "filter(), values() and F say what can be asked; session.execute() sends a GraphQL document of your own",
    "intersection": _SETS,
    "raw": "session.execute() sends a GraphQL document of your own and returns the plain answer",
    "select_for_update": "a W&B server has no locks; save(check=True) refuses to overwrite another writer's change",
    "union": _SETS,
}
"""Name -> what to do instead. The asynchronous twins (``abulk_create``) give the same answer."""


def missing(owner: type, name: str) -> str:
    """The message for an attribute that a queryset class does not have."""
    told = f"{owner.__name__!r} has no attribute {name!r}"
    way = DJANGO.get(name) or DJANGO.get(name.removeprefix("a"))
    if way is not None:
        return f"{told}: wbmodel leaves this method of Django's out; {way}"
    near = nearest(name, [known for known in dir(owner) if not known.startswith("_") and known != name])
    return told + (f"; did you mean {' or '.join(map(repr, near))}?" if near else "")
