"""Plain values into the classes of :mod:`wbmodel_fixtures.format`, by cattrs, and what is wrong with them in words.

The hooks here are stricter than cattrs' own, which convert: a number is not text, and text is not a list.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    ClassValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn

from wbmodel.codec import parse_datetime
from wbmodel.errors import suggestion
from wbmodel_fixtures.format import Declared, Keyed

__all__ = ["structure"]

Hook = Callable[[Any, Any], Any]
Path = tuple[Any, ...]


class _Mismatch(ValueError):
    """A value that does not fit. ``below`` leads from the value to what is wrong in it."""

    def __init__(self, message: str, *below: Any) -> None:
        super().__init__(message)
        self.below = below


_WRONG = (_Mismatch, BaseValidationError)


def structure(value: Any, wanted: Any) -> tuple[Any, list[tuple[Path, str]]]:
    """``value`` as ``wanted``, a class of the format or a type of its fields, with path and message of all that is
    wrong. Where anything is wrong, the value is None."""
    try:
        return _converter().get_structure_hook(wanted)(value, wanted), []
    except _WRONG as error:
        return None, list(_problems(error, ()))


def _problems(error: Exception, path: Path) -> Iterator[tuple[Path, str]]:
    cls: Any = getattr(error, "cl", None)
    if isinstance(error, (ClassValidationError, IterableValidationError)):
        noted, bare = error.group_exceptions()
        for inner, note in noted:
            part = note.name if isinstance(note, AttributeValidationNote) else note.index
            if isinstance(inner, KeyError):
                yield path, f"{cls.word()} needs the key {part!r}"
            else:
                yield from _problems(inner, (*path, part))
        for inner in bare:
            yield from _problems(inner, path)
    elif isinstance(error, ForbiddenExtraKeysError):
        for name in error.extra_fields:
            hint = suggestion(name, dict(cls.names()), "known keys")
            yield (*path, name), f"unknown key {name!r} in {cls.word()}{hint}"
    elif isinstance(error, _Mismatch):
        yield (*path, *error.below), str(error)
    else:
        raise error


@functools.cache
def _converter() -> Converter:
    converter = Converter(detailed_validation=True, forbid_extra_keys=True)
    for scalar in (str, bool, int):
        converter.register_structure_hook(scalar, _checked(scalar, converter))
    converter.register_structure_hook_factory(lambda wanted: _form(wanted) in _FORMS, _checked)
    converter.register_structure_hook_factory(lambda wanted: _form(wanted) is Annotated, _at_least)
    converter.register_structure_hook_factory(lambda wanted: _form(wanted) in _UNIONS, _union)
    return converter


def _gather(parts: Iterable[tuple[Any, Any]], one: Callable[[Any, Any], Any], wanted: Any) -> list[Any]:
    """``one(part, item)`` of all parts; their errors together, each with its part in a note as cattrs writes them."""
    found, errors = [], []
    for part, item in parts:
        try:
            found.append(one(part, item))
        except _WRONG as error:
            noted: Any = error
            note = IterableValidationNote(f"in {part!r}", part, wanted)
            noted.__notes__ = [*getattr(error, "__notes__", ()), note]
            errors.append(error)
    if errors:
        raise IterableValidationError(f"in {wanted}", errors, wanted)
    return found


# -- hooks for values whose outermost type is right ------------------------------------------------


def _same(wanted: Any, converter: Converter) -> Hook:
    return lambda value, _: value


def _date(wanted: Any, converter: Converter) -> Hook:
    def date(value: str, _: Any) -> datetime:
        try:
            return parse_datetime(value)
        except ValueError:
            example = "a date and time such as 2021-04-23T10:00:00Z, or a date such as 2021-04-23"
            raise _Mismatch(f"{value!r} is not {example}") from None

    return date


def _choice(wanted: Any, converter: Converter) -> Hook:
    words = get_args(wanted)

    def choice(value: str, _: Any) -> str:
        if value not in words:
            raise _Mismatch(f"{value!r} is not known here{suggestion(value, words, 'known')}")
        return value

    return choice


def _list(wanted: Any, converter: Converter) -> Hook:
    (member,) = get_args(wanted)
    hook = converter.get_structure_hook(member)
    return lambda value, _: _gather(enumerate(value), lambda _, item: hook(item, member), wanted)


def _mapping(wanted: Any, converter: Converter) -> Hook:
    member = get_args(wanted)[1]
    hook = converter.get_structure_hook(member)

    def one(name: str, item: Any) -> tuple[str, Any]:
        if not name:
            raise _Mismatch("a name is needed, and this is empty")
        return name, hook(item, member)

    return lambda value, _: value if member is Any else dict(_gather(value.items(), one, wanted))


def _keyed(wanted: Any, converter: Converter) -> Hook:
    (cls,) = get_args(wanted)
    hook, id_key = converter.get_structure_hook(cls), cls.id_key

    def one(part: Any, item: Any) -> Any:
        listed = isinstance(part, int)
        if cls.bare and isinstance(item, str if listed else NoneType):
            item = {id_key: item}
        thing, errors = None, list[Exception]()
        name: Any = item.get(id_key) if isinstance(item, dict) else part
        if listed and name is None:
            errors.append(_Mismatch(f"{cls.word()} needs the key {id_key!r}"))
        elif not listed and not part:
            errors.append(_Mismatch(f"{id_key} is needed, and this is empty"))
        elif not listed and name not in (None, part):
            errors.append(_Mismatch(f"{name!r} contradicts the key {part!r} that it stands under", id_key))
        try:
            thing = hook(item, cls)
        except _WRONG as error:
            errors.append(error)
        if errors:
            raise IterableValidationError(f"in {cls.word()}", errors, cls)
        return name if listed else part, part, thing

    def keyed(value: Any, _: Any) -> Keyed[Any]:
        return Keyed(_gather(enumerate(value) if isinstance(value, list) else value.items(), one, wanted))

    return keyed


def _class(cls: Any, converter: Converter) -> Hook:
    required = {field.name for field in attrs.fields(cls) if field.default is attrs.NOTHING}

    @functools.cache
    def made() -> Hook:
        # cattrs compiles code for the class: milliseconds, and most worlds hold few of the things that there are.
        return make_dict_structure_fn(cls, converter, _cattrs_use_linecache=False)

    def instance(value: dict[str, Any], _: Any) -> Any:
        wrong = list(_exclusions(cls, value)) if cls.one_of else []
        if required:
            value = {name: item for name, item in value.items() if item is not None or name not in required}
        try:
            found = made()(value, cls)
        except ClassValidationError as error:
            raise error.derive([*error.exceptions, *wrong]) from None
        if wrong:
            raise ClassValidationError(f"in {cls.word()}", wrong, cls)
        return found

    return instance


def _exclusions(cls: type[Declared], value: dict[str, Any]) -> Iterator[_Mismatch]:
    for keys in cls.one_of:
        given = [key for key in keys if value.get(key) is not None]
        if len(given) > 1:
            yield _Mismatch(f"{given[0]!r} and {given[1]!r} exclude each other", given[1])
        elif not given and cls.required_group:
            yield _Mismatch(f"one of {', '.join(keys)} is needed here")


# -- the outermost type ----------------------------------------------------------------------------

_UNIONS = (Union, UnionType)

# What a type is told by -> the plain types of its values, what messages call it, what makes its hook.
_FORMS: dict[Any, tuple[tuple[type, ...], str, Callable[[Any, Converter], Hook]]] = {
    str: ((str,), "text", _same),
    bool: ((bool,), "true or false", _same),
    int: ((int,), "a whole number", _same),
    datetime: ((str,), "a date and time", _date),
    Literal: ((str,), "one of", _choice),
    list: ((list,), "a list", _list),
    dict: ((dict,), "a mapping", _mapping),
    Keyed: ((list, dict), "a list or a mapping", _keyed),
    Declared: ((dict,), "a mapping", _class),
}
_FOUND = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a mapping"}


def _form(wanted: Any) -> Any:
    return Declared if isinstance(wanted, type) and issubclass(wanted, Declared) else get_origin(wanted) or wanted


def _kind(value: Any) -> type:
    """The plain type of a value: a dict literal may hold instances of its subclasses."""
    kind = type(value)
    return kind if kind in _FOUND or value is None else next(k for k in _FOUND if isinstance(value, k))


def _kinds(wanted: Any) -> tuple[type, ...]:
    form = _form(wanted)
    return (NoneType,) if wanted is NoneType else _kinds(get_args(wanted)[0]) if form is Annotated else _FORMS[form][0]


def _word(wanted: Any) -> str:
    form, args = _form(wanted), get_args(wanted)
    if form in _UNIONS:
        return " or ".join(_word(member) for member in args if member is not NoneType)
    if form is Annotated:
        return _word(args[0])
    return f"one of {', '.join(args)}" if form is Literal else _FORMS[form][1]


def _mismatch(wanted: Any, value: Any) -> _Mismatch:
    kind, word = _kind(value), _word(wanted)
    found = _FOUND.get(kind, "nothing")
    shown = f" {value!r}" if kind in (bool, int, float, str) and len(repr(value)) < 80 else ""
    tail = "; put it in quotes" if word == "text" and kind in (bool, int, float) else ""
    return _Mismatch(f"{word} is needed, and this is {found}{shown}{tail}")


def _checked(wanted: Any, converter: Converter) -> Hook:
    kinds, _, make = _FORMS[_form(wanted)]
    hook = make(wanted, converter)

    def checked(value: Any, _: Any) -> Any:
        if _kind(value) not in kinds:
            raise _mismatch(wanted, value)
        return hook(value, wanted)

    return checked


def _at_least(wanted: Any, converter: Converter) -> Hook:
    kind, bound = get_args(wanted)
    hook = converter.get_structure_hook(kind)

    def at_least(value: Any, _: Any) -> Any:
        value = hook(value, kind)
        if kind is str and not value:
            raise _Mismatch("text is needed, and this is empty")
        if kind is int and value < bound.least:
            raise _Mismatch(f"{value} is too small; at least {bound.least} is needed")
        return value

    return at_least


def _union(wanted: Any, converter: Converter) -> Hook:
    """The member is chosen by the outermost type of the value; the members of a union differ in it."""
    hooks: dict[type, Hook] = {}
    for member in get_args(wanted):
        hook = _same(member, converter) if member is NoneType else converter.get_structure_hook(member)
        hooks.update(dict.fromkeys(_kinds(member), hook))

    def union(value: Any, _: Any) -> Any:
        hook = hooks.get(_kind(value))
        if hook is None:
            raise _mismatch(wanted, value)
        return hook(value, wanted)

    return union
