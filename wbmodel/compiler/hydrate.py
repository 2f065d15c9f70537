"""Turn wire objects into entities, with one generated function per entity and selection.

The function only assigns: the shape of an answer is checked before (:mod:`wbmodel.compiler.answer_types`). JSON texts
and lists of text are stored undecoded and decoded by their codec at first access, so that changes can be found by
comparing with the original. A value that cannot be read costs only itself: reading it raises ``UnreadableValue``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from wbmodel.compiler.selection import related_fields
from wbmodel.meta import Belongs, EntityMeta, FieldMeta, Kind, entity_meta
from wbmodel.meta.parts import Keys
from wbmodel.meta.state import home, put, put_damaged

__all__ = ["Hydrator", "hydrator"]

Hydrator = Callable[[list[Any], Any, Any], list[Any]]
"""Takes nodes, their owner (a session) and the object of the route's context step; returns entities."""


def hydrator(
    meta: EntityMeta,
    fields: tuple[str, ...],
    related: tuple[str, ...] = (),
    context: str | None = None,
    cls: type[Any] | None = None,
    keys: Keys = (),
) -> Hydrator:
    """The function that makes entities from nodes with ``fields``.

    ``related`` are relations that were widened, ``context`` names the relation that the route itself provides, and
    ``cls`` is a subclass to make instead of the entity class; ``keys`` are the fields that are there in part.
    """
    made: Any = cls or meta.cls
    return _generate(meta, fields, related, context, made, keys)


@lru_cache(maxsize=512)
def _generate(
    meta: EntityMeta,
    fields: tuple[str, ...],
    related: tuple[str, ...],
    context: str | None,
    cls: Any,
    keys: Keys,
) -> Hydrator:
    names: dict[str, Any] = {
        "new": object.__new__,
        "cls": cls,
        "filling": blank_of(cls),
        "one_of": _one_of,
        "damaged": put_damaged,
    }
    lines = [
        "def hydrate(nodes, owner, context):",
        "    rows = []",
        "    memo = {}",
        "    share = memo.setdefault",
        "    for n in nodes:",
        "        o = new(filling)",
    ]
    lines.append("        o._owner = owner")
    if keys:
        names["parts"] = {name: frozenset(of) for name, of in keys}
        lines.append("        o._parts = parts")
    # A field whose items belong to a relation comes after that relation.
    for name in sorted(fields, key=lambda name: meta.fields[name].belongs is not None):
        field = meta.fields[name]
        if name == context:
            lines.append(f"        o.{name} = context")
            continue
        if field.through:
            continue
        value = f"n[{field.wire!r}]"
        if field.kind is Kind.REF:
            lines += _reference(meta, field, names, related, value)
        elif field.kind is Kind.TEXTS:
            inner = "i" + "".join(f"[{part!r}]" for part in field.sub)
            only = ""
            if field.belongs is not None:
                names["belongs"] = _belongs(meta, field.belongs)
                only = f" if belongs(i, o.{field.belongs.relation})"
            texts = f"tuple([share({inner}, {inner}) for i in {value} or (){only}])"
            lines.append(
                f"        o.{meta.slots[name]} = {texts}" if field.is_lazy else f"        o.{name} = list({texts})"
            )
        elif field.is_lazy:
            lines.append(f"        o.{meta.slots[name]} = {value}")
        elif field.kind.is_decoded or field.kind is Kind.TIME:
            names[f"decode_{name}"] = field.kind.codec.decode
            lines += [
                f"        v = {value}",
                "        try:",
                f"            o.{name} = decode_{name}(v)",
                "        except Exception as error:",
                f"            damaged(o, {name!r}, v, error)",
            ]
        elif field.kind is Kind.INT and not field.sub:
            lines += [f"        v = {value}", f"        o.{name} = int(v) if v.__class__ is str else v"]
        elif field.sub:
            lines.append(f"        v = {value}")
            for part in field.sub:
                lines.append(f"        v = None if v is None else v[{part!r}]")
            lines.append(f"        o.{name} = v")
        elif field.is_blank:
            lines += [
                f"        v = {value}",
                f"        o.{name} = share(v, v) if v else None" if field.shared else f"        o.{name} = v or None",
            ]
        elif field.shared:
            lines.append(f"        o.{name} = share({value}, {value})")
        else:
            lines.append(f"        o.{name} = {value}")
    lines += ["        o.__class__ = cls", "        rows.append(o)", "    return rows"]
    exec(compile("\n".join(lines), f"<hydrate {meta.name}>", "exec"), names)  # the source contains only declared names
    made: Hydrator = names["hydrate"]
    return made


@lru_cache(maxsize=128)
def blank_of(cls: Any) -> Any:
    """A twin of ``cls`` for objects that are being filled; ``o.__class__ = cls`` then completes them.

    Setting a field of an entity is checked and recorded as a change, but loading data from a backend is not a change. A
    class without that check is filled at full speed, and as the layout is the same, switching to the real class costs
    almost nothing.
    """
    # Both: CPython has one slot for set and delete, and if either is written in Python, it calls Python for both.
    body = {
        "__slots__": (),
        "__module__": __name__,
        "__setattr__": object.__setattr__,
        "__delattr__": object.__delattr__,
    }
    return type(cls)(f"_{cls.__name__}", (cls,), body)


def _belongs(meta: EntityMeta, belongs: Belongs) -> Callable[[dict[str, Any], Any], bool]:
    """Whether an item of a list belongs to an object of the relation: by its path, or by its name alone."""
    relation = meta.fields[belongs.relation]
    assert relation.target is not None
    target = entity_meta(relation.target)
    picked, inner = related_fields(relation.name, (), target, relation.identity)
    make = hydrator(target, picked, inner)

    def test(item: dict[str, Any], row: Any) -> bool:
        key = getattr(row, target.key)
        node = item[belongs.object]
        if node is None:
            return bool(item[belongs.name] == key)
        (other,) = make([node], None, None)
        return bool(getattr(other, target.key) == key and home(other) == home(row))

    return test


def _reference(
    meta: EntityMeta, field: FieldMeta, names: dict[str, Any], related: tuple[str, ...], value: str
) -> list[str]:
    assert field.target is not None
    target = entity_meta(field.target)
    name = field.name
    if field.by_key:
        names[f"key_{name}"] = _by_key(target)
        make = f"key_{name}(v, owner, o, memo)"
    else:
        picked, inner = related_fields(name, related, target, field.identity)
        names[f"make_{name}"] = hydrator(target, picked, inner)
        # Rows of one page share the objects that they refer to.
        make = f"one_of(memo, {name!r}, v, make_{name}, owner)"
    # Only one member of the union counts; any other is treated as null.
    absent = "v is None" if field.on is None else f"v is None or v['__typename'] != {field.on!r}"
    return [f"        v = {value}", f"        o.{name} = None if {absent} else {make}"]


def _one_of(memo: dict[Any, Any], name: str, node: dict[str, Any], make: Hydrator, owner: Any) -> Any:
    key = (name, node.get("id"))
    found = memo.get(key)
    if found is None:
        found = memo[key] = make([node], owner, None)[0]
    return found


def _by_key(target: EntityMeta) -> Callable[[str, Any, Any, dict[Any, Any]], Any]:
    """A function that makes a reference from the target's key alone, in the same place as the referring row."""
    place = target.home if target.home in target.fields else None

    def make(key: str, owner: Any, row: Any, memo: dict[Any, Any]) -> Any:
        home = None if place is None else getattr(row, place, None)
        found = memo.get((target.name, key, id(home)))
        if found is None:
            found = object.__new__(target.cls)
            put(found, "_owner", owner)
            put(found, target.key, key)
            if place is not None and home is not None:
                put(found, place, home)
            memo[target.name, key, id(home)] = found
        return found

    return make
