"""Change one object: set fields, find the changes, and send them.

Rows keep no extra data per field to track changes. Lazily decoded values are compared with the stored texts of config
and summary and the stored tuples of tags; the original value of a scalar field is recorded when the field is first set.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import attrs

from wbmodel.backend.asks import Request, Response, raise_for_errors
from wbmodel.backend.verbs import Send
from wbmodel.compiler.mutations import Apart, changed, deletion, encode, input_types, upsert
from wbmodel.compiler.target import Target
from wbmodel.errors import (
    RAN_OUT,
    ConfigurationError,
    ConflictError,
    FieldError,
    FieldNotLoaded,
    NotSupported,
    OutcomeUnknown,
    RequestTimeout,
    ServerError,
    WbmodelError,
    nearest,
    suggestion,
)
from wbmodel.meta import Difference, EntityMeta, FieldMeta, Kind, state
from wbmodel.meta.scopes import PARTS, PROJECT
from wbmodel.operations.answer import Operation
from wbmodel.operations.reload import look_again
from wbmodel.query.changes import Change, accepted

__all__ = [
    "Pending",
    "apply",
    "check_answer",
    "delete",
    "dirty",
    "identify",
    "pending",
    "place_of",
    "require_writable",
    "save",
    "setting",
    "unanswered",
]


class Unknown(enum.Enum):
    """Marks a field whose value on the server is unknown: it was never loaded, or its save was not answered."""

    VALUE = "unknown"


# -- setting ---------------------------------------------------------------------------------------


def setting(row: Any, name: str, value: Any) -> tuple[str, Any]:
    """Called before an attribute of an entity is set. Returns the field's name and the value to set.

    Records the original value of a scalar field. Raises :class:`FieldError` for a read-only field or an invalid value,
    and ``AttributeError`` for an unknown field.
    """
    cls = type(row)
    meta: EntityMeta = cls.__wbmodel_meta__
    if meta.find(name) is None:
        own = getattr(cls, name, None)
        if (own is None and hasattr(row, "__dict__")) or (own is not None and name not in meta.to_many):
            # A subclass's own attribute, or a property, which decides itself whether it can be set.
            return name, value
        if own is not None:
            raise AttributeError(
                f"{meta.name}.{name} is a to-many relation and cannot be set: its rows refer to this object"
            )
        choices = [item.name for item in meta.fields.values() if item.editable]
        raise AttributeError(
            f"{meta.name} has no attribute {name!r} to set{suggestion(name, choices, 'editable fields')}"
        )
    field = meta.editable(name)
    value = accepted(meta, field, value)
    if field.name in state.parts(row):
        raise FieldNotLoaded(
            f"{meta.name}.{field.name} was loaded in part, and saving it would lose the other keys; a query with "
            f".also({field.name!r}) loads all of it"
        )
    if field.name in meta.slots:
        if field.kind is Kind.CONFIG and not state.is_loaded(row, field.name):
            raise FieldNotLoaded(
                f"{meta.name}.config was not loaded, and saving it must preserve W&B's own keys in it; load it "
                "first, with a query without defer('config') or with only(..., 'config')"
            )
    else:
        edits = state.notes(row)
        if field.name not in edits:
            edits[field.name] = getattr(row, field.name) if state.is_loaded(row, field.name) else Unknown.VALUE
    return field.name, value


# -- what changed ----------------------------------------------------------------------------------


def _kept(row: Any, field: FieldMeta, meta: EntityMeta) -> Any:
    """The stored form of the value that was read: text or a tuple for lazily decoded fields, else the value."""
    if field.name not in meta.slots:
        edits = state.edits(row)
        if field.name in edits:
            return edits[field.name]
    try:
        return state.kept(row, field.name)
    except AttributeError:
        return Unknown.VALUE


def dirty(row: Any) -> tuple[str, ...]:
    """The names of the changed fields, in the order of declaration."""
    meta: EntityMeta = type(row).__wbmodel_meta__
    edits, parts = state.edits(row), state.parts(row)
    found = []
    for name, field in meta.fields.items():
        if not field.editable or (name not in meta.slots and name not in edits) or name in parts:
            continue
        try:
            value = state.get(row, name)
        except AttributeError:
            continue  # never decoded, so never changed
        # For lazily decoded fields, edits only record that the server's value is unknown.
        kept = edits.get(name)
        kept = _kept(row, field, meta) if kept is not Unknown.VALUE else kept
        if kept is Unknown.VALUE or changed(meta, field, kept, value):
            found.append(name)
    return tuple(found)


def _refuse_lost(row: Any) -> None:
    """Raise :class:`FieldError` if a value that cannot be saved was edited in place."""
    meta: EntityMeta = type(row).__wbmodel_meta__
    for name, slot in meta.slots.items():
        field = meta.fields[name]
        if field.editable:
            continue
        try:
            value, kept = state.get(row, name), state.get(row, slot)
        except AttributeError:
            continue  # not loaded, or never decoded
        if changed(meta, field, kept, value):
            why = field.fixed or "W&B has no mutation to change it"
            raise FieldError(
                f"{meta.name}.{name} was edited in place, but cannot be saved: {why}. Nothing was saved; refresh() "
                "undoes local changes"
            )


@attrs.frozen(slots=True)
class Pending:
    """Changes that are ready to be sent.

    ``inputs`` have the GraphQL ``types``. ``basis`` is the stored form of each field when the changes were built,
    ``marks`` its stored form once they are applied. ``edits`` are the row's edits at that time, which a refresh
    replaces. ``apart`` are mutations of their own that belong to the change.
    """

    inputs: dict[str, Any]
    types: dict[str, str]
    basis: dict[str, Any]
    marks: dict[str, Any]
    edits: dict[str, Any]
    apart: tuple[Apart, ...] = ()

    def settle(self, row: Any, answered: bool = True) -> None:
        """Record on ``row`` that the changes were applied or, if not ``answered``, that they may have been.

        In the second case the fields count as changed, whatever their values, until they are saved or refreshed.
        """
        if state.edits(row) is not self.edits:
            return  # refreshed while the request was in flight, so the row is newer
        meta: EntityMeta = type(row).__wbmodel_meta__
        for name, mark in self.marks.items():
            slot = meta.slots.get(name)
            if not answered or _kept(row, meta.fields[name], meta) is not self.basis[name]:
                # If the basis differs, another save of it was in flight too, and it is unknown which one came last.
                self.edits[name] = Unknown.VALUE
            elif slot is not None:
                state.put(row, slot, mark)
                self.edits.pop(name, None)
            elif getattr(row, name) == mark:
                self.edits.pop(name, None)
            else:
                self.edits[name] = mark  # set again meanwhile


def pending(row: Any, names: Iterable[str], now: Any = None) -> Pending:
    """The changes of these fields, encoded. Raises :class:`FieldError` for values that cannot be written.

    ``now`` is the object as it is on the server, if only that tells what was added to a list and removed from it.
    """
    meta: EntityMeta = type(row).__wbmodel_meta__
    inputs: dict[str, Any] = {}
    basis: dict[str, Any] = {}
    marks: dict[str, Any] = {}
    fields: dict[str, FieldMeta] = {}
    types: dict[str, str] = {}
    apart: list[Apart] = []
    assert meta.options.writes is not None
    differences = meta.options.writes.differences
    for name in names:
        field = meta.fields[name]
        value = accepted(meta, field, getattr(row, name))  # a list may have been modified in place
        kept = _kept(row, field, meta)
        sent = encode(meta, field, value, None if kept is Unknown.VALUE else kept)
        assert field.input is not None
        basis[name] = kept
        if name in differences:
            before = (
                state.kept(row if now is None else now, name) if now is not None or kept is not Unknown.VALUE else ()
            )
            more, by_type, others = _difference(row, name, differences[name], before, sent)
            inputs.update(more)
            types.update(by_type)
            apart += others
        else:
            inputs[field.input], fields[field.input] = sent, field
        marks[name] = tuple(sent) if field.kind is Kind.TEXTS else sent if name in meta.slots else value
    types.update(input_types(meta, fields))
    return Pending(inputs, types, basis, marks, state.notes(row), tuple(apart))


def _difference(
    row: Any, name: str, difference: Difference, before: Iterable[str], after: Sequence[str]
) -> tuple[dict[str, Any], dict[str, str], list[Apart]]:
    """What to send for a list of which only the difference is sent: inputs, their types, and mutations apart."""
    meta: EntityMeta = type(row).__wbmodel_meta__
    assert meta.options.writes is not None
    known = set(before)
    added, removed = [item for item in after if item not in known], [item for item in known if item not in set(after)]
    for item in added:
        if not re.fullmatch(difference.pattern, item):
            raise FieldError(f"{meta.name}.{name} cannot have {item!r}: {difference.rule}")
    place = {field: attrgetter(path)(row) for field, path in difference.place.items()}
    inputs: dict[str, Any] = {}
    types: dict[str, str] = {}
    apart: list[Apart] = []
    for target, texts in ((difference.remove, sorted(removed)), (difference.add, added)):
        items = [{**place, difference.item: text} for text in texts]
        if items and difference.apart:
            apart.append(Apart(target, difference.apart, difference.type, meta.options.writes.id, items))
        elif items:
            inputs[target], types[target] = items, difference.type
    return inputs, types, apart


def apply(row: Any, changes: Iterable[Change]) -> None:
    """Apply changes to ``row`` locally. Raises :class:`FieldError` if one does not fit its current value."""
    for change in changes:
        setattr(row, change.field.name, change.apply(getattr(row, change.field.name)))


def _chosen(row: Any, update_fields: Iterable[str] | None) -> tuple[str, ...]:
    """The changed fields among ``update_fields``. Raises :class:`FieldError` for a name that cannot be saved."""
    found = dirty(row)
    _refuse_lost(row)
    if update_fields is None:
        return found
    if isinstance(update_fields, (str, bytes)):
        raise FieldError(f"update_fields takes a list of names, not {update_fields!r}; write [{update_fields!r}]")
    meta: EntityMeta = type(row).__wbmodel_meta__
    if not isinstance(update_fields, Iterable):
        raise FieldError(f"update_fields takes a list of names, as in save(['tags']), not {update_fields!r}")
    names = set()
    for name in update_fields:
        if not isinstance(name, str):
            raise FieldError(f"update_fields takes names of fields, not {name!r}")
        if meta.find(name) is None:
            choices = [item.name for item in meta.fields.values() if item.editable]
            hint = nearest(name, [*choices, *meta.names])
            tail = (
                f"; did you mean {' or '.join(map(repr, hint))}?"
                if hint
                else f"; the editable fields are {', '.join(choices)}"
            )
            raise FieldError(f"update_fields: {meta.name} has no field {name!r}{tail}")
        field = meta.editable(name, "saved")
        if not state.is_loaded(row, field.name):
            loaded = [item for item in row.loaded_fields() if meta.fields[item].editable]
            raise FieldError(
                f"update_fields: {meta.name}.{field.name} was neither loaded nor set, so there is nothing to save; "
                f"fields of this object that can be saved: {', '.join(loaded) or 'none'}"
            )
        if field.name in state.parts(row):
            raise FieldNotLoaded(
                f"update_fields: {meta.name}.{field.name} was loaded in part and cannot be saved; a query with "
                f".also({field.name!r}) loads all of it"
            )
        names.add(field.name)
    return tuple(name for name in found if name in names)


# -- operations ------------------------------------------------------------------------------------


def save(row: Any, target: Target, update_fields: Iterable[str] | None, check: bool) -> Operation[tuple[str, ...]]:
    """Send the changes. Returns the names of the fields that were sent."""
    target.refuse_foreign(row)
    names = _chosen(row, update_fields)
    if not names:
        return ()
    require_writable(target)
    ready = pending(row, names)
    if check:
        yield from _compare(row, names, target)
        ready = pending(row, names)
    unknown = _unknown_lists(row, names)
    if unknown:
        ready = pending(row, names, (yield from look_again(row, target, unknown)))
    node_id = yield from identify(row, target)
    request = change_request(row, node_id, ready)
    try:
        response: Response = yield Send(request)
        check_answer(row, node_id, request, response, target)
    except BaseException as error:  # also a cancelled call and Ctrl-C: it was sent
        if unanswered(error):
            ready.settle(row, answered=False)
        raise
    ready.settle(row)
    return names


def _unknown_lists(row: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    """The lists of which only the difference is sent, and the server's own is not known."""
    meta: EntityMeta = type(row).__wbmodel_meta__
    assert meta.options.writes is not None
    lost = state.edits(row)
    return tuple(
        name
        for name in names
        if name in meta.options.writes.differences
        and Unknown.VALUE in (lost.get(name), _kept(row, meta.fields[name], meta))
    )


def unanswered(error: BaseException) -> bool:
    """Whether ``error`` means that a mutation was not answered and may still have been applied."""
    if isinstance(error, RequestTimeout):
        return error.server_message != RAN_OUT  # RAN_OUT: it was not sent
    # Closing a session drops requests in flight.
    return isinstance(error, (ConfigurationError, OutcomeUnknown)) or not isinstance(error, WbmodelError)


def change_request(row: Any, node_id: str, ready: Pending) -> Request:
    """The request that applies pending changes of a row."""
    meta: EntityMeta = type(row).__wbmodel_meta__
    assert meta.options.writes is not None
    return upsert(
        meta, {meta.options.writes.id: node_id, **place_of(row), **ready.inputs}, ready.types, apart=ready.apart
    )


def place_of(row: Any) -> dict[str, Any]:
    """The inputs besides the id that W&B's own clients send with a change of this entity."""
    meta: EntityMeta = type(row).__wbmodel_meta__
    writes = meta.options.writes
    if writes is None or not writes.placed:
        return {}
    known = dict(zip(PARTS[PROJECT], (state.home(row) or "").split("/"), strict=False))
    inputs = {name: known[part] for part, name in writes.place.items() if known.get(part)}
    if writes.key is not None:
        inputs[writes.key] = getattr(row, meta.key)
    return inputs


def check_answer(row: Any, node_id: str, request: Request, response: Response, target: Target) -> None:
    """Raise unless the response confirms the change.

    Raises the class's ``DoesNotExist``, :class:`ServerError`, or :class:`OutcomeUnknown` if the response does not name
    the changed object.
    """
    _raise_for_errors(row, request, response, target)
    writes = type(row).__wbmodel_meta__.options.writes
    answer = (response.data or {}).get(writes.upsert)
    node = answer.get(writes.answer) if isinstance(answer, dict) else None
    others = [part for name, part in (response.data or {}).items() if name != writes.upsert]
    apart = all(isinstance(part, dict) and part.get("success") for part in others)
    if not isinstance(node, dict) or node.get("id") != node_id or not apart:
        raise OutcomeUnknown(
            f"{target.place} answered {request.operation_name} of {row!r} without the object, "
            "so it may not have been changed; refresh() loads the server's values, and save() sends yours again",
            operation=request.operation_name,
        )


_GONE = re.compile(
    r"\b(does(n't| not) exist|not found|no such|(could|can)(n't| ?not) (be )?f(i|ou)nd|(failed|unable) to find"
    r"|no longer exists?|was deleted)\b",
    re.IGNORECASE,
)


def _raise_for_errors(row: Any, request: Request, response: Response, target: Target) -> None:
    """Like :func:`wbmodel.request.raise_for_errors`, but raise ``DoesNotExist`` if the server says so in words.

    W&B has no error code for a missing object.
    """
    try:
        raise_for_errors(request, response, target.place)
    except ServerError as error:
        meta: EntityMeta = type(row).__wbmodel_meta__
        words, writes = error.server_message or "", meta.options.writes
        assert writes is not None
        nouns = "|".join({meta.name, meta.graphql, writes.answer, PROJECT})
        if not _GONE.search(words) or not re.search(rf"\b({nouns})s?\b", words, re.IGNORECASE):
            raise
        raise type(row).DoesNotExist(
            f"{row!r} is no longer on {target.place} (it was deleted, or this account may not see it); nothing "
            f"was changed. This object keeps its loaded values, and {meta.name}.objects.create(...) creates a new one"
        ) from error


def identify(row: Any, target: Target) -> Operation[str]:
    """The node id of an object, looked up if only its key is known."""
    if not state.is_loaded(row, "node_id"):
        found = yield from look_again(row, target, ("node_id",))
        state.put(row, "node_id", found.node_id)
    node_id: str = row.node_id
    return node_id


def _compare(row: Any, names: tuple[str, ...], target: Target) -> Operation[None]:
    """Compare with the server's current values. Raises :class:`ConflictError` if they differ from those read."""
    meta: EntityMeta = type(row).__wbmodel_meta__
    lost = state.edits(row)
    blind = [name for name in names if Unknown.VALUE in (lost.get(name), _kept(row, meta.fields[name], meta))]
    if blind:
        raise FieldError(
            f"check=True compares with the loaded values, but {meta.name}.{blind[0]} was set without being loaded, "
            "or an earlier save of it was not answered; call refresh() to load it (this drops local changes), or save "
            "without check"
        )
    now = yield from look_again(row, target, names)
    differing = []
    for name in names:
        field = meta.fields[name]
        if changed(meta, field, _kept(row, field, meta), getattr(now, name)):
            differing.append(name)
        elif name in meta.slots:
            # Equal for the user, but W&B's own keys (_wandb) may be newer and have to be preserved.
            state.put(row, meta.slots[name], state.kept(now, name))
    if differing:
        raise ConflictError(
            f"{row!r} has changed on {target.place} since it was read: {', '.join(differing)}. Nothing was saved; "
            "refresh() loads the current values. (W&B has no compare-and-swap: check=True reads and then writes, so a "
            "change between the two goes unnoticed.)"
        )


def delete(row: Any, target: Target, flags: dict[str, bool]) -> Operation[None]:
    """Delete one object. Raises what the object itself has against it."""
    target.refuse_foreign(row)
    require_writable(target)
    writes = type(row).__wbmodel_meta__.options.writes
    assert writes is not None
    state.refuse_deletion(row, flags)
    if writes.delete_reads:
        now = yield from look_again(row, target, writes.delete_reads, writes.delete_related)
        state.refuse_deletion(now, flags)
    node_id = yield from identify(row, target)
    request = deletion(type(row).__wbmodel_meta__, node_id, flags)
    response: Response = yield Send(request)
    check_deleted(row, request, response, target)


def check_deleted(row: Any, request: Request, response: Response, target: Target) -> None:
    """Raise the class's ``DoesNotExist`` or :class:`ServerError` unless the response confirms the deletion."""
    _raise_for_errors(row, request, response, target)
    writes = type(row).__wbmodel_meta__.options.writes
    answer = (response.data or {}).get(writes.delete)
    if not isinstance(answer, dict) or (writes.confirms and not answer.get("success")):
        raise ServerError(
            f"{target.place} answered {request.operation_name} of {row!r} without confirming it",
            operation=request.operation_name,
        )


def require_writable(target: Target) -> None:
    """Raise :class:`NotSupported` for a read-only backend."""
    if not target.capabilities.writable:
        raise NotSupported(
            f"{target.place} is read-only (its capability 'writable' is off); "
            "connect to a server or to fixtures to write"
        )
