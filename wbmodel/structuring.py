"""Structure plain values as attrs classes with cattrs, and describe every mistake with its path.

The hooks are stricter than cattrs' own, which convert values: a number is not text, and text is not a list. Import this
module inside the functions that need it, because it imports cattrs.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.errors import (
    BaseValidationError,
    ClassValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn

from wbmodel.codec import parse_datetime
from wbmodel.errors import FieldError, suggestion

__all__ = [
    "AtLeast",
    "FieldPath",
    "Form",
    "Hook",
    "Mismatch",
    "StrictConverter",
    "WRONG",
    "gather",
    "generated",
    "lenient",
    "nested_deeper",
    "show_path",
    "word_of",
]

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]
FieldPath = tuple[Any, ...]
"""Keys and indexes that lead from a value to one in it."""


class Mismatch(ValueError):
    """A value that does not fit. ``below`` leads from the value to what is wrong in it."""

    def __init__(self, message: str, *below: Any) -> None:
        super().__init__(message)
        self.below = below


WRONG = (Mismatch, BaseValidationError)
"""The exceptions that a hook raises for a value that does not fit."""


@attrs.frozen
class AtLeast:
    """For ``Annotated``: the least number, or the least length of a text."""

    least: int


@attrs.frozen
class Form:
    """A type that can be read: the plain types of its values, its name in messages, and the factory of its hook. The
    hook is only called with values of those types."""

    kinds: tuple[type, ...]
    word: str
    make: Callable[[Any, StrictConverter], Hook]


class StrictConverter(Converter):
    """A cattrs converter with detailed validation that checks values instead of converting them.

    ``by_hand`` means that people write the values: unknown keys are refused, and the message about a number in place of
    text gives advice. ``forms`` adds types, by the origin of a generic type or the base of attrs classes.
    """

    def __init__(self, *, by_hand: bool, forms: Mapping[Any, Form] | None = None) -> None:
        super().__init__(detailed_validation=True, forbid_extra_keys=by_hand)
        self.by_hand = by_hand
        self._forms = {**_FORMS, **(forms or {})}
        self._bases = tuple(form for form in forms or () if attrs.has(form))
        for scalar in (str, bool, int):
            self.register_structure_hook(scalar, _checked(scalar, self))
        factories: list[tuple[Callable[[Any], bool], Any]] = [
            (lambda wanted: self.key_of(wanted) in self._forms, _checked),
            (lambda wanted: get_origin(wanted) is Annotated, _at_least),
            (lambda wanted: get_origin(wanted) in _UNIONS, _union),
        ]
        for takes, factory in factories:
            self.register_structure_hook_factory(takes, factory)

    def read(self, value: Any, wanted: Any) -> tuple[Any, list[tuple[FieldPath, str]]]:
        """``value`` as ``wanted``, with the path and message of every mistake. The value is None if there are any."""
        try:
            return self.get_structure_hook(wanted)(value, wanted), []
        except WRONG as error:
            return None, list(_problems(error, ()))

    def key_of(self, wanted: Any) -> Any:
        """The key of ``wanted`` among the forms."""
        if isinstance(wanted, type) and attrs.has(wanted):
            return next((base for base in self._bases if issubclass(wanted, base)), attrs.AttrsInstance)
        return get_origin(wanted) or wanted

    def form(self, wanted: Any) -> Form:
        """The form of a type. Raises ``KeyError`` for a type that has none."""
        return self._forms[self.key_of(wanted)]


def _problems(error: Exception, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    cls: Any = getattr(error, "cl", None)
    if isinstance(error, (ClassValidationError, IterableValidationError)):
        noted, bare = error.group_exceptions()
        for inner, note in noted:
            part: Any = note.index if isinstance(note, IterableValidationNote) else _key(cls, note.name)
            if isinstance(inner, KeyError):
                yield path, f"{word_of(cls)} needs the key {part!r}"
            else:
                yield from _problems(inner, (*path, part))
        for inner in bare:
            yield from _problems(inner, path)
    elif isinstance(error, ForbiddenExtraKeysError):
        known = [field.alias for field in attrs.fields(cls)]
        for name in error.extra_fields:
            hint = suggestion(name, known, "known keys")
            yield (*path, name), f"unknown key {name!r} in {word_of(cls)}{hint}"
    elif isinstance(error, Mismatch):
        yield (*path, *error.below), str(error)
    else:
        raise error


def _key(cls: Any, name: str) -> str:
    # cattrs' notes name the attribute.
    key: str = getattr(attrs.fields(cls), name).alias
    return key


def word_of(cls: type) -> str:
    """The name of a class in messages: ``artifact_version`` for ``ArtifactVersion``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()


def show_path(path: FieldPath) -> str:
    """``("runs", 3, "a.b")`` as ``runs[3]["a.b"]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part and all(c.isalnum() or c in "_-" for c in part):
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text


def nested_deeper(value: Any, limit: int) -> bool:
    """Whether lists and dicts are nested more than ``limit`` deep in a plain value."""
    level = [value] if isinstance(value, (dict, list)) else []
    depth = 0
    while level:
        depth += 1
        if depth > limit:
            return True
        below = []
        for container in level:
            for item in container.values() if isinstance(container, dict) else container:
                if type(item) is dict or type(item) is list:
                    below.append(item)
        level = below
    return False


# -- lenient classes -------------------------------------------------------------------------------


@functools.cache
def _lenient() -> StrictConverter:
    return StrictConverter(by_hand=False)


def lenient(value: Any, wanted: type[T], thing: str, place: FieldPath = (), error: type[Exception] = FieldError) -> T:
    """``value`` as the attrs class ``wanted``. Unknown keys are ignored, and null counts as absent. Raises ``error``,
    which names ``thing`` and the path of each mistake, beginning with ``place``."""
    found, wrong = _lenient().read(value, wanted)
    if wrong:
        told = "; ".join(f"{show_path((*place, *path))}: {message}" for path, message in wrong[:_SHOWN])
        more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise error(f"{thing}: {told}{more}")
    result: T = found
    return result


_SHOWN = 5


# -- hooks for values whose outermost type is right ------------------------------------------------


def generated(cls: type, converter: Converter) -> Hook:
    """cattrs' own hook for an attrs class, with the names of its arguments as keys."""

    @functools.cache
    def made() -> Hook:
        # cattrs compiles code for the class, which takes milliseconds, and most values use few of the classes.
        return make_dict_structure_fn(cls, converter, _cattrs_use_linecache=False, _cattrs_use_alias=True)

    return lambda value, _: made()(value, cls)


def _class(cls: Any, converter: StrictConverter) -> Hook:
    hook = generated(cls, converter)
    return lambda value, _: hook({key: item for key, item in value.items() if item is not None}, cls)


def gather(parts: Iterable[tuple[Any, Any]], one: Callable[[Any, Any], Any], wanted: Any) -> list[Any]:
    """``one(part, item)`` of all parts. Errors are raised together, each with its part in a note as cattrs does."""
    found, errors = [], []
    for part, item in parts:
        try:
            found.append(one(part, item))
        except WRONG as error:
            noted: Any = error
            note = IterableValidationNote(f"in {part!r}", part, wanted)
            noted.__notes__ = [*getattr(error, "__notes__", ()), note]
            errors.append(error)
    if errors:
        raise IterableValidationError(f"in {wanted}", errors, wanted)
    return found


def _same(wanted: Any, converter: Converter) -> Hook:
    return lambda value, _: value


def _date(wanted: Any, converter: Converter) -> Hook:
    def date(value: str, _: Any) -> datetime:
        try:
            return parse_datetime(value)
        except ValueError:
            example = "a date and time such as 2021-04-23T10:00:00Z, or a date such as 2021-04-23"
            raise Mismatch(f"{value!r} is not {example}") from None

    return date


def _choice(wanted: Any, converter: Converter) -> Hook:
    words = get_args(wanted)

    def choice(value: str, _: Any) -> str:
        if value not in words:
            raise Mismatch(f"{value!r} is not allowed here{suggestion(value, words, 'known')}")
        return value

    return choice


def _list(wanted: Any, converter: Converter) -> Hook:
    (member,) = get_args(wanted)
    if member is Any:
        return _same(wanted, converter)
    hook = converter.get_structure_hook(member)
    return lambda value, _: gather(enumerate(value), lambda _, item: hook(item, member), wanted)


def _mapping(wanted: Any, converter: Converter) -> Hook:
    member = get_args(wanted)[1]
    if member is Any:
        return _same(wanted, converter)
    hook = converter.get_structure_hook(member)

    def one(name: str, item: Any) -> tuple[str, Any]:
        if not name:
            raise Mismatch("a name is needed, and this is empty")
        return name, hook(item, member)

    return lambda value, _: dict(gather(value.items(), one, wanted))


# -- the outermost type ----------------------------------------------------------------------------

_UNIONS: tuple[Any, ...] = (Union, UnionType)
_FORMS: dict[Any, Form] = {
    str: Form((str,), "text", _same),
    bool: Form((bool,), "true or false", _same),
    int: Form((int,), "a whole number", _same),
    datetime: Form((str,), "a date and time", _date),
    Literal: Form((str,), "one of", _choice),
    list: Form((list,), "a list", _list),
    dict: Form((dict,), "a mapping", _mapping),
    attrs.AttrsInstance: Form((dict,), "a mapping", _class),
}
_FOUND = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a mapping"}


def _kind(value: Any) -> type:
    """The plain type of a value, as a dict literal may hold instances of subclasses."""
    kind = type(value)
    return kind if kind in _FOUND or value is None else next((k for k in _FOUND if isinstance(value, k)), kind)


def _kinds(wanted: Any, converter: StrictConverter) -> tuple[type, ...]:
    if get_origin(wanted) is Annotated:
        return _kinds(get_args(wanted)[0], converter)
    return (NoneType,) if wanted is NoneType else converter.form(wanted).kinds


def _word(wanted: Any, converter: StrictConverter) -> str:
    origin, args = get_origin(wanted), get_args(wanted)
    if origin in _UNIONS:
        return " or ".join(_word(member, converter) for member in args if member is not NoneType)
    if origin is Annotated:
        return _word(args[0], converter)
    return f"one of {', '.join(args)}" if origin is Literal else converter.form(wanted).word


def _mismatch(wanted: Any, value: Any, converter: StrictConverter) -> Mismatch:
    kind, word = _kind(value), _word(wanted, converter)
    found = "nothing" if value is None else _FOUND.get(kind, f"a {kind.__name__}")
    shown = f" {value!r}" if kind in (bool, int, float, str) and len(repr(value)) < 80 else ""
    tail = "; put it in quotes" if converter.by_hand and word == "text" and kind in (bool, int, float) else ""
    return Mismatch(f"{word} is needed, and this is {found}{shown}{tail}")


def _checked(wanted: Any, converter: StrictConverter) -> Hook:
    form = converter.form(wanted)
    kinds, hook = form.kinds, form.make(wanted, converter)

    def checked(value: Any, _: Any) -> Any:
        if _kind(value) not in kinds:
            raise _mismatch(wanted, value, converter)
        return hook(value, wanted)

    return checked


def _at_least(wanted: Any, converter: Converter) -> Hook:
    kind, bound = get_args(wanted)
    hook = converter.get_structure_hook(kind)

    def at_least(value: Any, _: Any) -> Any:
        value = hook(value, kind)
        if kind is str and not value:
            raise Mismatch("text is needed, and this is empty")
        if kind is int and value < bound.least:
            raise Mismatch(f"{value} is too small; at least {bound.least} is needed")
        return value

    return at_least


def _union(wanted: Any, converter: StrictConverter) -> Hook:
    """Choose the member by the outermost type of the value, in which the members of a union differ."""
    hooks: dict[type, Hook] = {}
    for member in get_args(wanted):
        hook = _same(member, converter) if member is NoneType else converter.get_structure_hook(member)
        hooks.update(dict.fromkeys(_kinds(member, converter), hook))

    def union(value: Any, _: Any) -> Any:
        hook = hooks.get(_kind(value))
        if hook is None:
            raise _mismatch(wanted, value, converter)
        return hook(value, wanted)

    return union
