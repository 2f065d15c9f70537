"""``run.summary``: a dict-like view that is edited locally, and sent by ``update()``."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping
from typing import Any

from wbmodel.query.lookups.accept import native

__all__ = ["HTTPSummary", "SummarySubDict"]


class SummarySubDict:
    """A dict of a summary: its keys are items and attributes, and nested dicts are such views too.

    Edits change the summary in place and are sent by ``run.summary.update()`` or ``run.update()``.
    """

    _read: Callable[[], dict[str, Any]]
    _send: Callable[[], None]

    def __init__(self, read: Callable[[], dict[str, Any]], send: Callable[[], None]) -> None:
        self.__dict__["_read"] = read
        self.__dict__["_send"] = send

    @property
    def _json_dict(self) -> dict[str, Any]:
        return self._read()

    def __getitem__(self, key: str) -> Any:
        return self._view(self._read()[_key(key)], _key(key))

    def _view(self, value: Any, key: str) -> Any:
        return SummarySubDict(lambda: self._read()[key], self._send) if isinstance(value, dict) else value

    def __setitem__(self, key: str, value: Any) -> None:
        self._read()[_key(key)] = plain(value)

    def __delitem__(self, key: str) -> None:
        del self._read()[_key(key)]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        del self[name]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.strip() in self._read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __eq__(self, other: object) -> bool:
        return self._read() == (other._read() if isinstance(other, SummarySubDict) else other)

    __hash__ = None  # type: ignore[assignment]

    def keys(self) -> KeysView[str]:
        """The keys."""
        return self._read().keys()

    def items(self) -> ItemsView[str, Any]:
        """The keys with their values; nested dicts as views."""
        return {key: self._view(value, key) for key, value in self._read().items()}.items()

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or ``default``."""
        return self._view(self._read().get(_key(key), default), _key(key))

    def update(self, key_vals: Mapping[str, Any] | None = None, overwrite: bool = True) -> None:
        """Set these keys (with ``overwrite`` False, only those that are missing) and send the summary."""
        held = self._read()
        for key, value in (key_vals or {}).items():
            if overwrite or _key(key) not in held:
                held[_key(key)] = plain(value)
        self._send()

    def __repr__(self) -> str:
        return repr(self._read())


class HTTPSummary(SummarySubDict):
    """The summary of a run: ``run.summary``. A key that is read alone is loaded alone, of all runs of a listing."""

    _read_key: Callable[[str], Mapping[str, Any]]

    def __init__(
        self,
        read: Callable[[], dict[str, Any]],
        send: Callable[[], None],
        read_key: Callable[[str], Mapping[str, Any]],
    ) -> None:
        super().__init__(read, send)
        self.__dict__["_read_key"] = read_key

    def __getitem__(self, key: str) -> Any:
        return self._view(self._read_key(_key(key))[_key(key)], _key(key))

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or ``default``."""
        return self._view(self._read_key(_key(key)).get(_key(key), default), _key(key))

    def load(self) -> None:
        """Nothing is left to load: the summary comes with the run."""


def _key(key: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a key of a summary must be text, not {key!r}")
    return key.strip()


def plain(value: Any) -> Any:
    """A value as JSON has it: scalars of numpy and torch as Python's, arrays as lists."""
    if isinstance(value, SummarySubDict):
        value = value._json_dict
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist") and getattr(value, "shape", ()) != ():
        return plain(value.tolist())
    return native(value)
