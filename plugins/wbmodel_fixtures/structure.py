"""What the format adds to :mod:`wbmodel.structuring`: things with an id, and keys that exclude or need each other."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import NoneType
from typing import Any, get_args

import attrs
from cattrs.errors import ClassValidationError, IterableValidationError

from wbmodel.structuring import WRONG, FieldPath, Form, Hook, Mismatch, StrictConverter, gather, generated, word_of
from wbmodel_fixtures.format import Declared, Keyed

__all__ = ["structure"]


def structure(value: Any, wanted: Any) -> tuple[Any, list[tuple[FieldPath, str]]]:
    """``value`` as ``wanted``, a class of the format or a type of its fields, and path and message of everything that
    is wrong with it. Where anything is wrong, the value is None."""
    return _converter().read(value, wanted)


@functools.cache
def _converter() -> StrictConverter:
    forms = {
        Keyed: Form((list, dict), "a list or a mapping", _keyed),
        Declared: Form((dict,), "a mapping", _class),
    }
    return StrictConverter(by_hand=True, forms=forms)


def _keyed(wanted: Any, converter: StrictConverter) -> Hook:
    (cls,) = get_args(wanted)
    hook, id_key = converter.get_structure_hook(cls), cls.id_key

    def one(part: Any, item: Any) -> Any:
        listed = isinstance(part, int)
        if cls.bare and isinstance(item, str if listed else NoneType):
            item = {id_key: item}
        thing, errors = None, list[Exception]()
        name: Any = item.get(id_key) if isinstance(item, dict) else part
        if listed and name is None:
            errors.append(Mismatch(f"{word_of(cls)} needs the key {id_key!r}"))
        elif not listed and not part:
            errors.append(Mismatch(f"{id_key} is needed, and this is empty"))
        elif not listed and name not in (None, part):
            errors.append(Mismatch(f"{name!r} contradicts the key {part!r} above it", id_key))
        try:
            thing = hook(item, cls)
        except WRONG as error:
            errors.append(error)
        if errors:
            raise IterableValidationError(f"in {word_of(cls)}", errors, cls)
        return name if listed else part, part, thing

    def keyed(value: Any, _: Any) -> Keyed[Any]:
        return Keyed(gather(enumerate(value) if isinstance(value, list) else value.items(), one, wanted))

    return keyed


def _class(cls: Any, converter: StrictConverter) -> Hook:
    hook = generated(cls, converter)
    required = {field.name for field in attrs.fields(cls) if field.default is attrs.NOTHING}

    def instance(value: dict[str, Any], _: Any) -> Any:
        wrong = [*_exclusions(cls, value), *_misplaced(cls, value)]
        if required:
            value = {name: item for name, item in value.items() if item is not None or name not in required}
        try:
            found = hook(value, cls)
        except ClassValidationError as error:
            raise error.derive([*error.exceptions, *wrong]) from None
        if wrong:
            raise ClassValidationError(f"in {word_of(cls)}", wrong, cls)
        return found

    return instance


def _exclusions(cls: type[Declared], value: dict[str, Any]) -> Iterator[Mismatch]:
    for keys in cls.one_of:
        given = [key for key in keys if value.get(key) is not None]
        if len(given) > 1:
            yield Mismatch(f"{given[0]!r} and {given[1]!r} exclude each other", given[1])
        elif not given and cls.required_group:
            yield Mismatch(f"one of {', '.join(keys)} is needed here")


def _misplaced(cls: type[Declared], value: dict[str, Any]) -> Iterator[Mismatch]:
    for key, names in cls.misplaced.items():
        inner = value.get(key)
        if isinstance(inner, dict):
            yield from (Mismatch(names[name], key, name) for name in names if name in inner)
