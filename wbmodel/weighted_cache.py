"""A cache bounded by the total weight of its values, for values whose size depends on external input."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from wbmodel import forks

__all__ = ["WeightedCache"]

V = TypeVar("V")


class WeightedCache(Generic[V]):
    """The most recently used values, weighing at most ``limit`` in total. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self._kept: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()
        self._lock = forks.lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> V | None:
        """The value cached under ``key``, or None."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, value: V, weight: int) -> None:
        """Cache a value, evicting the least recently used ones. A value heavier than ``limit`` is not kept."""
        with self._lock:
            old = self._kept.pop(key, None)
            self.size -= 0 if old is None else old[1]
            if weight > self.limit:
                return
            self._kept[key] = (value, weight)
            self.size += weight
            while self.size > self.limit:
                _, (_, freed) = self._kept.popitem(last=False)
                self.size -= freed
