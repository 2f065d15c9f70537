"""Changing one object: what was set here, what of it is sent, and what was kept to find that out.

Nothing is kept per field when rows are made. The texts of config and summary and the tuples of tags, from which values
are made at first access, are what those are compared with; what a scalar field held is noted when it is first set.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from typing import Any

import attrs

from wbmodel.backend.asks import Request, Response, raise_for_errors
from wbmodel.backend.verbs import Send
from wbmodel.compiler.mutations import changed, deletion, encode, input_types, upsert
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
from wbmodel.meta import EntityMeta, FieldMeta, Kind, state
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
    """Stands for what the server has of a field where that is not known: it was never read, or it was sent and no
    answer came."""

    VALUE = "unknown"


# -- setting ---------------------------------------------------------------------------------------


def setting(row: Any, name: str, value: Any) -> tuple[str, Any]:
    """Called before an attribute of an entity is set: the true name and the value to set. Notes what a scalar held.

    Raises :class:`FieldError` for a field that cannot be changed or a value that does not fit it, and
    ``AttributeError`` for what is no field.
    """
    cls = type(row)
    meta: EntityMeta = cls.__wbmodel_meta__
    if meta.find(name) is None:
        own = getattr(cls, name, None)
        if (own is None and hasattr(row, "__dict__")) or (own is not None and name not in meta.to_many):
            # A subclass's own attribute, or a property, which says itself whether it can be set.
            return name, value
        if own is not None:
            raise AttributeError(f"{meta.name}.{name} is a relation to many, and cannot be set: its rows refer to this")
        choices = [item.name for item in meta.fields.values() if item.editable]
        raise AttributeError(
            f"{meta.name} has no attribute {name!r} to set{suggestion(name, choices, 'what can be set')}"
        )
    field = meta.editable(name)
    value = accepted(meta, field, value)
    if field.name in meta.slots:
        if field.kind is Kind.CONFIG and not state.is_loaded(row, field.name):
            raise FieldNotLoaded(
                f"{meta.name}.config was not loaded, and a config holds a part of W&B's own that has to be kept; load "
                "it "
                "first, by a query without defer('config') or with only(..., 'config')"
            )
    else:
        edits = state.notes(row)
        if field.name not in edits:
            edits[field.name] = getattr(row, field.name) if state.is_loaded(row, field.name) else Unknown.VALUE
    return field.name, value


# -- what changed ----------------------------------------------------------------------------------


def _kept(row: Any, field: FieldMeta, meta: EntityMeta) -> Any:
    """What a field was read as: text or a tuple where values are made of that, else the value."""
    if field.name not in meta.slots:
        edits = state.edits(row)
        if field.name in edits:
            return edits[field.name]
    try:
        return state.kept(row, field.name)
    except AttributeError:
        return Unknown.VALUE


def dirty(row: Any) -> tuple[str, ...]:
    """The names of the fields that differ from what was read, in the order of their declaration."""
    meta: EntityMeta = type(row).__wbmodel_meta__
    edits = state.edits(row)
    found = []
    for name, field in meta.fields.items():
        if not field.editable or (name not in meta.slots and name not in edits):
            continue
        try:
            value = state.get(row, name)
        except AttributeError:
            continue  # never made of its text, so never touched
        kept = edits.get(name)  # of what is made of text, only that it is not known what the server has
        kept = _kept(row, field, meta) if kept is not Unknown.VALUE else kept
        if kept is Unknown.VALUE or changed(meta, field, kept, value):
            found.append(name)
    return tuple(found)


@attrs.frozen(slots=True)
class Pending:
    """Changes that are ready to be sent: ``inputs`` with their GraphQL ``types``, what each field was kept as when they
    were built (``basis``), and what it is kept as once they are carried out (``marks``). ``edits`` are the row's notes
    of that moment, which a refresh throws away."""

    inputs: dict[str, Any]
    types: dict[str, str]
    basis: dict[str, Any]
    marks: dict[str, Any]
    edits: dict[str, Any]

    def settle(self, row: Any, answered: bool = True) -> None:
        """Note on ``row`` that this was carried out or, when nobody answered, that it may have been: those fields then
        differ from what was read, whatever they hold, until they are saved or refreshed."""
        if state.edits(row) is not self.edits:
            return  # it was refreshed while the request was under way, and what it holds is newer
        meta: EntityMeta = type(row).__wbmodel_meta__
        for name, mark in self.marks.items():
            slot = meta.slots.get(name)
            if not answered or _kept(row, meta.fields[name], meta) is not self.basis[name]:
                # In the second case another save of it was under way as well, and nobody knows which came last.
                self.edits[name] = Unknown.VALUE
            elif slot is not None:
                state.put(row, slot, mark)
                self.edits.pop(name, None)
            elif getattr(row, name) == mark:
                self.edits.pop(name, None)
            else:
                self.edits[name] = mark  # it was set again meanwhile


def pending(row: Any, names: Iterable[str]) -> Pending:
    """The changes of these fields, encoded. Raises :class:`FieldError` for what cannot be written."""
    meta: EntityMeta = type(row).__wbmodel_meta__
    inputs: dict[str, Any] = {}
    basis: dict[str, Any] = {}
    marks: dict[str, Any] = {}
    fields: dict[str, FieldMeta] = {}
    for name in names:
        field = meta.fields[name]
        value = accepted(meta, field, getattr(row, name))  # a list may have got anything since it was read
        kept = _kept(row, field, meta)
        sent = encode(meta, field, value, None if kept is Unknown.VALUE else kept)
        assert field.input is not None
        inputs[field.input], fields[field.input], basis[name] = sent, field, kept
        marks[name] = tuple(sent) if field.kind is Kind.TEXTS else sent if name in meta.slots else value
    return Pending(inputs, input_types(meta, fields), basis, marks, state.notes(row))


def apply(row: Any, changes: Iterable[Change]) -> None:
    """Set on ``row`` what the changes ask for. Raises :class:`FieldError` where one does not fit what it holds."""
    for change in changes:
        setattr(row, change.field.name, change.apply(getattr(row, change.field.name)))


def _chosen(row: Any, update_fields: Iterable[str] | None) -> tuple[str, ...]:
    """The changed fields among those that were named. Raises :class:`FieldError` for a name that cannot be saved."""
    found = dirty(row)
    if update_fields is None:
        return found
    if isinstance(update_fields, (str, bytes)):
        raise FieldError(f"update_fields is a list of names, not {update_fields!r}; write [{update_fields!r}]")
    meta: EntityMeta = type(row).__wbmodel_meta__
    if not isinstance(update_fields, Iterable):
        raise FieldError(f"update_fields is a list of names, as in save(['tags']), not {update_fields!r}")
    names = set()
    for name in update_fields:
        if not isinstance(name, str):
            raise FieldError(f"update_fields holds names of fields, not {name!r}")
        if meta.find(name) is None:
            choices = [item.name for item in meta.fields.values() if item.editable]
            hint = nearest(name, [*choices, *meta.names])
            tail = f"; did you mean {' or '.join(map(repr, hint))}?" if hint else f"; it has {', '.join(choices)}"
            raise FieldError(f"update_fields: {meta.name} has no field {name!r}{tail}")
        field = meta.editable(name, "saved")
        if not state.is_loaded(row, field.name):
            loaded = [item for item in row.loaded_fields() if meta.fields[item].editable]
            raise FieldError(
                f"update_fields: {meta.name}.{field.name} was neither loaded nor set, so there is nothing to save; "
                f"what can be saved of this object is {', '.join(loaded) or 'nothing'}"
            )
        names.add(field.name)
    return tuple(name for name in found if name in names)


# -- operations ------------------------------------------------------------------------------------


def save(row: Any, target: Target, update_fields: Iterable[str] | None, check: bool) -> Operation[tuple[str, ...]]:
    """Send what changed; the names of the fields that were sent."""
    target.refuse_foreign(row)
    names = _chosen(row, update_fields)
    if not names:
        return ()
    require_writable(target)
    ready = pending(row, names)
    if check:
        yield from _compare(row, names, target)
        ready = pending(row, names)
    node_id = yield from identify(row, target)
    request = change_request(row, node_id, ready)
    try:
        response: Response = yield Send(request)
        check_answer(row, node_id, request, response, target)
    except BaseException as error:  # a cancelled call and Ctrl-C too: it was sent
        if unanswered(error):
            ready.settle(row, answered=False)
        raise
    ready.settle(row)
    return names


def unanswered(error: BaseException) -> bool:
    """Whether ``error`` came in the place of an answer to a mutation, which may have been carried out all the same."""
    if isinstance(error, RequestTimeout):
        return error.server_message != RAN_OUT  # then it was not sent
    # A session that is closed drops what is under way.
    return isinstance(error, (ConfigurationError, OutcomeUnknown)) or not isinstance(error, WbmodelError)


def change_request(row: Any, node_id: str, ready: Pending) -> Request:
    """The request that carries out pending changes of a row."""
    meta: EntityMeta = type(row).__wbmodel_meta__
    return upsert(meta, {"id": node_id, **place_of(row), **ready.inputs}, ready.types)


def place_of(row: Any) -> dict[str, Any]:
    """The inputs beside the id that W&B's own clients send with a change of this entity."""
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
    """Raise what the answer to a change says against it: the class's ``DoesNotExist``, :class:`ServerError`, or
    :class:`OutcomeUnknown` when it does not say that this very object was changed."""
    _raise_for_errors(row, request, response, target)
    writes = type(row).__wbmodel_meta__.options.writes
    answer = (response.data or {}).get(writes.upsert)
    node = answer.get(writes.answer) if isinstance(answer, dict) else None
    if not isinstance(node, dict) or node.get("id") != node_id:
        raise OutcomeUnknown(
            f"{target.place} answered {request.operation_name} of {row!r} without the object that was to be changed, "
            "so it is not known to be changed; refresh() shows what the server has, and save() sends it again",
            operation=request.operation_name,
        )


_GONE = re.compile(r"\b(does(n't| not) exist|not found|no such|could(n't| not) (be )?f(i|ou)nd)\b", re.IGNORECASE)


def _raise_for_errors(row: Any, request: Request, response: Response, target: Target) -> None:
    """As :func:`wbmodel.request.raise_for_errors`; where the server's words are that the object is not there, it is the
    class's ``DoesNotExist``. (W&B has no code for it.)"""
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
            f"{row!r} is not on {target.place} any more: it was deleted, or this account may not see it; nothing was "
            f"changed. This object keeps what was loaded, and {meta.name}.objects.create(...) makes a new one"
        ) from error


def identify(row: Any, target: Target) -> Operation[str]:
    """The node id of an object; one that is known by its key only is looked up."""
    if not state.is_loaded(row, "node_id"):
        found = yield from look_again(row, target, ("node_id",))
        state.put(row, "node_id", found.node_id)
    node_id: str = row.node_id
    return node_id


def _compare(row: Any, names: tuple[str, ...], target: Target) -> Operation[None]:
    """Look at what the server has now. Raises :class:`ConflictError` when it is not what was read."""
    meta: EntityMeta = type(row).__wbmodel_meta__
    lost = state.edits(row)
    blind = [name for name in names if Unknown.VALUE in (lost.get(name), _kept(row, meta.fields[name], meta))]
    if blind:
        raise FieldError(
            f"check=True compares with what was read, and {meta.name}.{blind[0]} was set without having been loaded, "
            "or was saved before without an answer; refresh() loads it (and forgets what was changed here), or save "
            "without check"
        )
    now = yield from look_again(row, target, names)
    differing = []
    for name in names:
        field = meta.fields[name]
        if changed(meta, field, _kept(row, field, meta), getattr(now, name)):
            differing.append(name)
        elif name in meta.slots:
            # The same to the user; what W&B keeps beside it (_wandb) may be newer, and is what is to be kept.
            state.put(row, meta.slots[name], state.kept(now, name))
    if differing:
        raise ConflictError(
            f"{row!r} has changed on {target.place} since it was read: {', '.join(differing)}. Nothing was saved; "
            "refresh() "
            "loads what is there now. (W&B has no compare-and-swap: check=True reads and then writes, so a change "
            "between "
            "the two goes unseen.)"
        )


def delete(row: Any, target: Target, flags: dict[str, bool]) -> Operation[None]:
    """Delete one object."""
    target.refuse_foreign(row)
    require_writable(target)
    node_id = yield from identify(row, target)
    request = deletion(type(row).__wbmodel_meta__, node_id, flags)
    response: Response = yield Send(request)
    check_deleted(row, request, response, target)


def check_deleted(row: Any, request: Request, response: Response, target: Target) -> None:
    """Raise when the answer to a deletion is not that it was carried out: the class's ``DoesNotExist``, or
    :class:`ServerError`."""
    _raise_for_errors(row, request, response, target)
    writes = type(row).__wbmodel_meta__.options.writes
    answer = (response.data or {}).get(writes.delete)
    if not isinstance(answer, dict) or (writes.confirms and not answer.get("success")):
        raise ServerError(
            f"{target.place} answered {request.operation_name} of {row!r}, but not that it was carried out",
            operation=request.operation_name,
        )


def require_writable(target: Target) -> None:
    """Raise :class:`NotSupported` for a backend that only reads."""
    if not target.capabilities.writable:
        raise NotSupported(
            f"{target.place} is read only (its capability 'writable' is off); connect to a server or to fixtures to "
            "write"
        )
