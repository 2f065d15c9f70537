"""Create entities: ``create()``, ``get_or_create()``, ``update_or_create()`` as operations.

W&B's mutations create what is missing and overwrite what exists. So a key given by the caller is looked up first, and
then claimed: a mutation with the key alone creates an empty row or changes nothing, and its answer (``inserted``) tells
which. Only then the values are sent. Otherwise a key is generated locally, which makes the request idempotent.
"""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from wbmodel.backend.asks import Response, raise_for_errors
from wbmodel.backend.verbs import Send
from wbmodel.codec import floats_from_tokens
from wbmodel.compiler.access import parent_of
from wbmodel.compiler.hydrate import hydrator
from wbmodel.compiler.mutations import encode, input_types, upsert
from wbmodel.compiler.target import Target
from wbmodel.errors import ConflictError, DoesNotExist, FieldError, ServerError, WbmodelWarning, suggestion
from wbmodel.json_values import plain
from wbmodel.meta import EntityMeta, FieldMeta, Kind, Writes, entity_meta
from wbmodel.meta.scopes import ENTITY, PARTS, PROJECT
from wbmodel.operations import answers
from wbmodel.operations.answer import Operation
from wbmodel.operations.run import collect
from wbmodel.operations.save import apply, require_writable, save
from wbmodel.query.changes import Set, accepted, resolve_changes
from wbmodel.query.conditions import fixed, leaves, resolve
from wbmodel.query.evaluate import predicate
from wbmodel.query.paths import Path, resolve_keyword
from wbmodel.query.plan import Plan
from wbmodel.query.q import Q
from wbmodel.query.scopes import at_home, scope_values

__all__ = ["create", "get_or_create", "new_id", "update_or_create"]

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_RESERVED = ":;,#?/'"
"""Characters not allowed in short ids: the official client rejects them in run ids (0.31.0, seen)."""


def new_id(length: int) -> str:
    """A new unique short id. It does not use ``random``, because scripts often share a seed."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


@attrs.define(slots=True)
class _New:
    """An entity to create: its place, its key (None: the server chooses it), its values by field, and which were
    given."""

    meta: EntityMeta
    place: dict[str, Any]
    key: str | None
    chosen: bool
    values: dict[str, Any]
    given: frozenset[str]

    @property
    def where(self) -> str:
        """The path of its place; "" for the viewer's default entity."""
        return "/".join(str(self.place[part]) for part in PARTS[PROJECT] if self.place.get(part))


def create(plan: Plan, target: Target, given: Mapping[str, Any]) -> Operation[Any]:
    """Create one entity, and return it as the server stored it."""
    new = _read(plan, target, given)
    require_writable(target)
    made = None if new.chosen and (yield from _exists(new, target)) else (yield from _make(new, plan.row_class, target))
    if made is None:
        meta = new.meta
        raise ConflictError(
            f"{meta.name} {new.key!r} exists in {new.where or 'the default entity'} on {target.place}, and nothing was "
            f"written to it; use another {meta.key}, or call update_or_create({meta.key}={new.key!r}, "
            f"defaults={{...}}) or get_or_create({meta.key}={new.key!r})"
        )
    return made


def _make(new: _New, cls: type[Any], target: Target) -> Operation[Any]:
    """The new row; None if somebody else created a row with the chosen key in the meantime."""
    meta, writes = new.meta, _writes(new.meta)
    place: dict[str, Any] = {name: new.place.get(part) for part, name in writes.place.items()}
    if writes.key is not None:
        place[writes.key] = new.key
    if not (new.chosen and writes.claimed):
        return _hydrated(meta, cls, (yield from _upsert(new, place, new.values, target))[0], target)
    # A server may take these fields only while it creates the row.
    first = {name: value for name, value in new.values.items() if name in writes.creates and name in new.given}
    node, is_new = yield from _upsert(new, place, first, target)
    if not is_new:
        return None
    rest = {
        name: value
        for name, value in new.values.items()
        if name not in first and not (name not in new.given and node.get(meta.fields[name].wire) == value)
    }
    if rest:
        node, _ = yield from _upsert(new, {"id": node["id"], **(place if writes.placed else {})}, rest, target)
    return _hydrated(meta, cls, node, target)


def _upsert(
    new: _New, inputs: dict[str, Any], values: Mapping[str, Any], target: Target
) -> Operation[tuple[dict[str, Any], bool]]:
    """Send values of a new row. Returns its node, and False if the server says that it was there before."""
    meta, writes = new.meta, _writes(new.meta)
    inputs, fields = dict(inputs), {}
    for name, value in values.items():
        field = meta.fields[name]
        input_name = writes.creates.get(name) or field.input or field.wire
        as_it_is = field.kind is Kind.REF or isinstance(value, _Text)
        inputs[input_name] = str(value) if as_it_is else encode(meta, field, value, None)
        fields[input_name] = field
    request = upsert(meta, inputs, input_types(meta, fields), fields=meta.default_fields())
    response: Response = yield Send(request)
    raise_for_errors(request, response, target.place)
    answer = (response.data or {}).get(writes.upsert)
    node = answer.get(writes.answer) if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(node, dict):
        raise ServerError(
            f"{target.place} answered {request.operation_name} without the new {meta.name}; check whether it "
            "exists before trying again",
            operation=request.operation_name,
        )
    try:
        assert request.document.check is not None
        request.document.check(response.data)
    except ValueError as error:
        raise ServerError(
            f"{target.place} created the {meta.name}, but answered {request.operation_name} with data of another shape "
            f"than requested: {error}",
            operation=request.operation_name,
        ) from error
    for words in answer.get(writes.warnings) or ():
        warnings.warn(
            f"{target.place}, on the definition of the {meta.name.lower()}: {words}", WbmodelWarning, stacklevel=2
        )
    # If the request was repeated, its first attempt may have created the row.
    repeated = response.note is not None and response.note.attempts > 1
    return node, answer.get("inserted") is not False or repeated


def _hydrated(meta: EntityMeta, cls: type[Any], node: dict[str, Any], target: Target) -> Any:
    return hydrator(meta, meta.default_fields(), (), None, cls)([node], target.owner, None)[0]


def _exists(new: _New, target: Target) -> Operation[bool]:
    meta = new.meta
    asked: dict[str, Any] = {meta.key: new.key, **(at_home(meta, new.where) if new.where else {})}
    where, scopes = resolve(meta, Q(**asked))
    if meta.home == ENTITY and not scopes:
        scopes = {ENTITY: (None,)}  # the viewer's default entity
    try:
        found = yield from collect(Plan(meta=meta, where=where, scopes=scopes, only=(), stop=1), target)
    except _no_place(meta):
        return False  # the server creates it together with its first row
    return bool(found)


def _no_place(meta: EntityMeta) -> tuple[type[Exception], ...]:
    """The ``DoesNotExist`` of the place where rows live, if the place is itself an entity class."""
    field = None if meta.home is None else meta.fields[meta.home]
    return () if field is None or field.target is None else (entity_meta(field.target).does_not_exist,)


# -- arguments -------------------------------------------------------------------------------------


class _Text(str):
    """A definition given as YAML text, which is sent unchanged."""

    __slots__ = ()


def _writes(meta: EntityMeta) -> Writes:
    writes = meta.options.writes
    if writes is None or writes.existing:
        raise FieldError(f"{meta.plural} cannot be created with wbmodel; it can create {', '.join(_makeable())}")
    return writes


def _makeable() -> list[str]:
    from wbmodel.meta import all_entities

    return [
        item.plural
        for item in all_entities().values()
        if item.options.writes is not None and not item.options.writes.existing
    ]


def _read(plan: Plan, target: Target, given: Mapping[str, Any]) -> _New:
    """Sort the arguments and the queryset's own scopes into place, key and values. Raises :class:`FieldError`."""
    meta = plan.meta
    writes = _writes(meta)
    plan.refuse_shaped("create")
    scopes: dict[str, tuple[Any, ...]] = {
        name: values for name, values in plan.scopes.items() if name in writes.place and len(values) == 1
    }
    values: dict[str, Any] = {}
    key: Any = None
    for name, value in given.items():
        field = meta.find(name)
        if name in writes.place:
            if value is not None:
                scopes[name] = scope_values(meta.options.scopes[name], value, f"{meta.name}.objects.create({name}=...)")
        elif field is None:
            choices = [*writes.place, *([meta.key] if writes.key else []), *_settable(meta, writes)]
            raise FieldError(f"create(): {meta.name} has no field {name!r}{suggestion(name, choices, 'it takes')}")
        elif field.name == meta.key and writes.key is not None:
            key = _checked_key(meta, value)
        elif value is not None:
            values[field.name] = _checked(meta, writes, field, value)
    for name, value in _fixed(plan, writes):
        values.setdefault(name, value)
    chosen_values = frozenset(values)
    for name, value in writes.defaults.items():
        values.setdefault(name, value)
    for name, why in writes.required.items():
        if name not in values:
            raise FieldError(f"create(): {why}")
    chosen = key is not None
    if key is None and writes.key is not None:
        if not writes.key_length:
            raise FieldError(f"create(): a {meta.name} needs its {meta.key}")
        key = new_id(writes.key_length)
    return _New(meta, _place(meta, writes, scopes, target), key, chosen, values, chosen_values)


def _settable(meta: EntityMeta, writes: Writes) -> list[str]:
    return [*(item.name for item in meta.fields.values() if item.editable), *writes.creates]


def _checked_key(meta: EntityMeta, value: Any) -> str | None:
    if value is None:
        return None
    bad = [char for char in _RESERVED if isinstance(value, str) and char in value]
    if not isinstance(value, str) or not value or value != value.strip() or bad:
        raise FieldError(
            f"create({meta.key}={value!r}): the {meta.key} must be text without surrounding spaces "
            f"and without any of {_RESERVED}"
        )
    return value


def _checked(meta: EntityMeta, writes: Writes, field: FieldMeta, value: Any) -> Any:
    if not field.editable and field.name not in writes.creates:
        why = field.fixed or "W&B sets it"
        raise FieldError(f"create(): {meta.name}.{field.name} cannot be given: {why}")
    if field.kind is Kind.REF:
        return _key_of(meta, field, value)
    if field.kind is Kind.YAML:
        return _definition(meta, field, value)
    value = accepted(meta, field, value)
    if field.choices and value not in field.choices:
        near = suggestion(str(value), field.choices, f"its {field.name}s")
        raise FieldError(f"create(): {meta.name}.{field.name} cannot be {value!r}{near}")
    encode(meta, field, value, None)  # refuse values that cannot be written before the first request
    return value


def _key_of(meta: EntityMeta, field: FieldMeta, value: Any) -> str:
    assert field.target is not None
    target = entity_meta(field.target)
    found = getattr(value, target.key) if isinstance(value, target.cls) else value
    if not isinstance(found, str) or not found:
        raise FieldError(f"create(): {meta.name}.{field.name} takes a {target.name} or its id, not {value!r:.80}")
    return found


def _definition(meta: EntityMeta, field: FieldMeta, value: Any) -> Any:
    if not isinstance(value, str):
        value = accepted(meta, field, value)
        encode(meta, field, value, None)
        return value
    import yaml

    try:
        read = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise FieldError(f"create(): the definition of the {meta.name.lower()} is not valid YAML: {error}") from None
    if not isinstance(read, dict):
        noun = meta.name.lower()
        raise FieldError(f"create(): the definition of a {noun} must be a mapping, but this YAML is {read!r:.80}")
    return _Text(value)


def _place(meta: EntityMeta, writes: Writes, scopes: Mapping[str, tuple[Any, ...]], target: Target) -> dict[str, Any]:
    entity = scopes[ENTITY][0] if scopes.get(ENTITY) else None
    if PROJECT not in writes.place:
        return {ENTITY: entity or target.entity}
    project = scopes[PROJECT][0] if scopes.get(PROJECT) else target.project
    if project is None:
        raise FieldError(
            f"create(): which project? Give project='entity/project' here, in filter() or in connect(), or create the "
            f"{meta.name} through a project's relation"
        )
    place = parent_of(meta, {PROJECT: project}, entity, target)
    if place is None:
        raise FieldError(
            f"create(): project={project!r} is not a project of entity={entity!r}; give only one of the two"
        )
    return place


def _fixed(plan: Plan, writes: Writes) -> Iterator[tuple[str, str]]:
    """The relations fixed by the plan's condition: a run created through ``sweep.runs`` belongs to that sweep."""
    for name in writes.creates:
        field = plan.meta.fields[name]
        if field.target is not None:
            there = entity_meta(field.target)
            key = fixed(plan.where, Path(field, (), there.fields[there.key]))
            if key is not None:
                yield name, key


# -- get or create, update or create ---------------------------------------------------------------


def get_or_create(
    plan: Plan, target: Target, lookups: Mapping[str, Any], defaults: Mapping[str, Any]
) -> Operation[tuple[Any, bool]]:
    """The only row that matches the lookups, or a new one; and whether it is new."""
    new = _read(plan, target, _wanted(plan.meta, lookups, defaults))
    _check_lookups(new, lookups)
    found = yield from _find(plan, target, lookups)
    if found is not None:
        return found, False
    require_writable(target)
    taken = new.chosen and not _by_key_alone(plan.meta, lookups) and (yield from _exists(new, target))
    made = None if taken else (yield from _make(new, plan.row_class, target))
    if made is None:
        found = yield from _find(plan, target, lookups)  # another caller was first
        if found is not None:
            return found, False
        raise ConflictError(
            f"no {new.meta.name} matches {', '.join(lookups)}, but the {new.meta.key} {new.key!r} is taken; nothing "
            "was written to it"
        )
    return made, True


def update_or_create(
    plan: Plan,
    target: Target,
    lookups: Mapping[str, Any],
    defaults: Mapping[str, Any],
    create_defaults: Mapping[str, Any] | None,
) -> Operation[tuple[Any, bool]]:
    """The only row that matches the lookups, changed and saved, or a new one; and whether it is new.

    ``defaults`` are changes as in ``update()``.
    """
    meta, call = plan.meta, "update_or_create()"
    given = {name: _called(value) for name, value in defaults.items()}
    changes = resolve_changes(meta, given, call=call) if given else ()
    fresh: dict[str, Any] = dict(create_defaults or {})
    if create_defaults is None:
        for change in changes:
            empty: Any = [] if change.field.kind is Kind.TEXTS else {}
            fresh[change.field.name] = change.apply(fresh.get(change.field.name, empty))
    needed = attrs.evolve(plan, extra=(*plan.extra, *(change.field.name for change in changes)))
    found, made = yield from get_or_create(needed, target, lookups, fresh)
    if not made:
        apply(found, changes)
        yield from save(found, target, None, False)
    return found, made


def _called(value: Any) -> Any:
    return value() if callable(value) else value


def _find(plan: Plan, target: Target, lookups: Mapping[str, Any]) -> Operation[Any]:
    try:
        plan.refuse_sliced("filter")
        return (yield from answers.get(plan.where_also(Q(**lookups)), target))
    except DoesNotExist as error:
        if isinstance(error, (plan.meta.does_not_exist, *_no_place(plan.meta))):
            return None
        raise


def _by_key_alone(meta: EntityMeta, lookups: Mapping[str, Any]) -> bool:
    """Whether the lookups contain only the key, so that a row that is not found does not exist."""
    asked = {name for name in lookups if name not in meta.options.scopes}
    return len(asked) == 1 and meta.find(next(iter(asked))) is meta.fields[meta.key]


def _wanted(meta: EntityMeta, lookups: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a new row: the exact lookups, including keys of config and summary, and the defaults."""
    given: dict[str, Any] = {}
    for name, value in lookups.items():
        if name in meta.options.scopes:
            given[name] = value
            continue
        path, lookup = resolve_keyword(meta, name)
        if lookup != "exact" or path.related is not None:
            continue
        if path.field.kind.is_keyed:
            for key in reversed(path.keys):
                value = {key: value}
            value = _merged(given.get(path.field.name), value)
        given[path.field.name] = value
    for name, value in defaults.items():
        field = meta.find(name)
        value = _called(value)
        value = value.value if isinstance(value, Set) else value
        if field is not None and field.kind.is_keyed:
            value = _merged(given.get(field.name), value)
        given[name if field is None else field.name] = value
    return given


class _Unknown(Exception):
    """A value that only the server knows."""


class _AsMade:
    """A new row as it will be read, for conditions. Raises :class:`_Unknown` for what the server fills in."""

    def __init__(self, new: _New) -> None:
        self._new = new

    def __getattr__(self, name: str) -> Any:
        new, field = self._new, self._new.meta.fields[name]
        if name == new.meta.key and new.key is not None:
            return new.key
        value = new.values.get(name)
        if isinstance(value, _Text) or not (field.editable or name in _writes(new.meta).creates):
            raise _Unknown(name)
        if field.target is not None:
            return None if value is None else _Reference(entity_meta(field.target).key, value)
        if field.kind is Kind.TEXTS:
            return value or []
        if not field.kind.is_keyed:
            return value
        whole = plain(value or {}, f"{new.meta.name}.{name}")
        return floats_from_tokens(whole) if field.kind is Kind.SUMMARY else whole


class _Reference:
    """An object of which only the key is known."""

    def __init__(self, name: str, key: str) -> None:
        self._name, self._key = name, key

    def __getattr__(self, name: str) -> Any:
        if name != self._name:
            raise _Unknown(name)
        return self._key


def _check_lookups(new: _New, lookups: Mapping[str, Any]) -> None:
    """Raise :class:`FieldError` if the new row would not match the lookups: each call would make another one."""
    meta, row = new.meta, _AsMade(new)
    for name, value in lookups.items():
        node, _ = resolve(meta, Q(**{name: value}))
        test = predicate(node)
        try:
            if test is None or test(row):
                continue
        except _Unknown:
            continue
        path = next(leaves(node)).path
        held = new.key if path.field.name == meta.key else new.values.get(path.field.name)
        raise FieldError(
            f"{name}={value!r:.80} is a lookup, but the other lookups and defaults give a new {meta.name} "
            f"{path.field.name}={held!r:.80}, which does not match it, so get_or_create() would make another one each "
            "time; give a value that matches (update_or_create() also takes create_defaults)"
        )


def _merged(one: Any, other: Any) -> Any:
    """Merge two values for one path: dicts key by key, otherwise the second wins."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return other
    return {**one, **{key: _merged(one.get(key), item) for key, item in other.items()}}
