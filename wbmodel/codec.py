"""JSON text and datetime text, as the W&B protocol writes them. Pure functions, no settings.

JSON is decoded by msgspec, which keeps integers of any size exact (orjson turns those beyond 64 bits into floats). The
standard library decodes what msgspec refuses: bare ``NaN`` and ``Infinity``, numbers beyond the range of a double, lone
surrogates, nesting deeper than its limit.
"""

from __future__ import annotations

import json
import json.scanner
import math
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any

__all__ = [
    "dumps",
    "floats_from_tokens",
    "format_datetime",
    "loads",
    "loads_all",
    "loads_in_steps",
    "loads_numbers",
    "loads_values",
    "parse_datetime",
    "read_quoted",
    "strict",
]

UTC = timezone.utc
_TOKENS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_fast: Callable[[str | bytes], Any] | None = None
_values: Callable[[str | bytes], Any] | None = None
_standard = json.JSONDecoder()


def loads(text: str | bytes) -> Any:
    """Decode JSON text; bare NaN and Infinity are accepted. Raises ``ValueError`` if it is not JSON, or has a number
    that would silently become infinity."""
    try:
        return (_fast or fast_decoder())(text)
    except (ValueError, RecursionError):
        try:
            return json.loads(text, parse_float=finite)
        except RecursionError:
            raise ValueError("JSON is nested too deeply to be read") from None


def fast_decoder() -> Callable[[str | bytes], Any]:
    """What decodes JSON text by msgspec alone. It raises ``ValueError`` or ``RecursionError`` for what that refuses."""
    global _fast
    if _fast is None:
        import msgspec

        _fast = msgspec.json.Decoder().decode
    return _fast


def loads_all(texts: Sequence[str], *, tokens: bool = False) -> tuple[list[Any], list[tuple[int, ValueError]]]:
    """Decode many JSON texts: the values, and the index and the error of each text that is damaged.

    A damaged text costs itself only; its value is None. With ``tokens``, the strings ``"NaN"``, ``"Infinity"`` and
    ``"-Infinity"`` stand for floats, as in :func:`loads_numbers`; values are walked only if some text has one.
    """
    decode, rest = fast_decoder(), iter(texts)
    values: list[Any] = []
    damaged: list[tuple[int, ValueError]] = []
    while True:
        try:
            values.extend(map(decode, rest))  # what was decoded before an error is kept
            break
        except (ValueError, RecursionError):
            try:
                values.append(loads(texts[len(values)]))
            except ValueError as error:
                damaged.append((len(values), error))
                values.append(None)
    if tokens:
        # A single character is found ten times as fast as a text, and most rows have neither.
        for at in [at for at, text in enumerate(texts) if "N" in text or "I" in text]:
            if has_tokens(texts[at]):
                values[at] = floats_from_tokens(values[at])
    return values, damaged


def has_tokens(text: str) -> bool:
    """Whether a JSON text may have one of the string tokens for non-finite numbers."""
    return ("N" in text and '"NaN"' in text) or ("I" in text and 'Infinity"' in text)


def finite(text: str) -> float:
    """The float that a JSON number writes. Raises ``ValueError`` where that would be infinity."""
    value = float(text)
    if value in (math.inf, -math.inf):
        shown = text if len(text) <= 40 else f"{text[:37]}..."
        raise ValueError(f"the number {shown} does not fit a float")
    return value


def loads_in_steps(text: str | bytes, stopped: Callable[[], bool] = lambda: False) -> Any:
    """:func:`loads`, value by value in Python: a tenth as fast, and every other thread gets its turn meanwhile.

    msgspec holds the interpreter from the first byte to the last: for seconds, where there are millions of values.
    Raises ``InterruptedError`` once ``stopped()`` is true.
    """
    try:
        return json.loads(text, cls=_Stepwise, parse_float=finite, stopped=stopped)
    except RecursionError:
        raise ValueError("JSON is nested too deeply to be read") from None


class _Stepwise(json.JSONDecoder):
    def __init__(self, *, stopped: Callable[[], bool], **given: Any) -> None:
        def stoppable(parse: Callable[..., Any]) -> Callable[..., Any]:
            def step(*given: Any) -> Any:
                if stopped():
                    raise InterruptedError("nobody waits for the value any more")
                return parse(*given)

            return step

        # dict() of millions of pairs is one step; a comprehension is as many as there are pairs.
        super().__init__(object_pairs_hook=lambda pairs: {key: value for key, value in pairs}, **given)  # noqa: C416
        for name in ("parse_object", "parse_array", "parse_string", "parse_int", "parse_float"):
            setattr(self, name, stoppable(getattr(self, name)))
        self.scan_once = json.scanner.py_make_scanner(self)  # type: ignore[attr-defined, unused-ignore]


def loads_values(text: str) -> dict[str, Any]:
    """``{"lr": {"value": 0.1, "desc": null}}`` as ``{"lr": 0.1}``, without making the inner dicts.

    Raises ``ValueError`` if the text is anything else; :func:`loads` then decodes it or explains the error.
    """
    global _values
    if _values is None:
        import msgspec

        wrapped = msgspec.defstruct("wrapped", [("value", Any)], gc=False)
        _values = msgspec.json.Decoder(dict[str, wrapped]).decode  # type: ignore[valid-type]
    try:
        found: dict[str, Any] = _values(text)
        return {key: item.value for key, item in found.items()}
    except RecursionError:
        raise ValueError("JSON is nested too deeply to be read") from None


def loads_numbers(text: str) -> Any:
    """Decode JSON text in which the strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"`` stand for floats.

    W&B writes summaries and histories this way, but not configs.
    """
    value = loads(text)
    return floats_from_tokens(value) if has_tokens(text) else value


def floats_from_tokens(value: Any) -> Any:
    """``value`` with the three text tokens for non-finite numbers replaced by floats, at any depth."""
    if isinstance(value, str):
        return _TOKENS.get(value, value)
    if isinstance(value, dict):
        return {key: floats_from_tokens(item) for key, item in value.items()}
    if isinstance(value, list):
        return [floats_from_tokens(item) for item in value]
    return value


def read_quoted(text: str, at: int) -> tuple[str, int]:
    """The JSON string whose opening quote is at ``at``, and the position after its closing quote.

    Raises ``ValueError`` if the string is not closed or is not a valid JSON string.
    """
    return _standard.raw_decode(text, at)


def dumps(value: Any) -> str:
    """Encode as compact JSON text, keeping the order of keys.

    NaN and Infinity are written as bare tokens, so use it for text *fields* only, never for a whole HTTP response.
    """
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=True)


def _token(value: float) -> str:
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def strict(value: Any, number: Callable[[float], Any] = _token, other: Callable[[Any], Any] | None = None) -> Any:
    """``value`` as strict JSON represents it: tuples become lists, keys become text.

    ``number`` converts non-finite floats (by default to W&B's text tokens, which readers turn back into floats).
    ``other`` converts values that JSON cannot represent; without it, they are returned unchanged.
    """
    cls = value.__class__
    if cls is float:
        return value if math.isfinite(value) else number(value)
    if cls is str or cls is int:
        return value
    if isinstance(value, dict):
        return {str(key): strict(item, number, other) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(item, number, other) for item in value]
    if other is None or value is None or isinstance(value, (str, int)):
        return value
    return strict(float(value), number) if isinstance(value, float) else other(value)


def parse_datetime(text: str) -> datetime:
    """Parse RFC 3339 text to an aware datetime. Text without a zone is UTC, as servers of 2021 sent it."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = _parse_slowly(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _parse_slowly(text: str) -> datetime:
    # Python 3.10 accepts neither "Z" nor fractions that are not 3 or 6 digits long.
    body, zone = text.strip(), ""
    if body[-1:] in "Zz":
        body, zone = body[:-1], "+00:00"
    else:
        for sign in "+-":
            cut = body.rfind(sign)
            if cut > 10:
                body, zone = body[:cut], body[cut:]
                break
    head, dot, fraction = body.partition(".")
    if dot and fraction.isdigit():
        body = f"{head}.{fraction[:6]:0<6}"
    try:
        return datetime.fromisoformat(body + zone)
    except ValueError:
        raise ValueError(f"{text!r} is not a date and time in RFC 3339 form, such as 2021-04-23T10:00:00Z") from None


def format_datetime(moment: datetime) -> str:
    """Format as RFC 3339 text in UTC, with a ``Z``; microseconds only if they are not zero.

    Raises ``ValueError`` for a naive datetime.
    """
    if moment.tzinfo is None:
        raise ValueError("a datetime needs a time zone: datetime(..., tzinfo=timezone.utc)")
    moment = moment.astimezone(UTC)
    spec = "microseconds" if moment.microsecond else "seconds"
    return moment.replace(tzinfo=None).isoformat(timespec=spec) + "Z"
