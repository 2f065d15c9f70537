"""Hyperparameters: the ``hparams`` plugin writes them as metadata of values that have no content."""

from __future__ import annotations

from typing import Any

from wbmodel_tensorboard.messages import message

__all__ = ["HParams"]

STATUS = {1: "finished", 2: "failed", 3: "running"}


class HParams:
    """What was found in one file: ``config`` by name, ``group``, and the ``status`` of the session's end (None without
    one)."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}
        self.group = ""
        self.status: str | None = None

    def add(self, content: bytes) -> None:
        """Add the content of the plugin's metadata."""
        found = message("HParams").FromString(content)
        if found.HasField("session_start"):
            start = found.session_start
            # Of several sessions the first counts, as in TensorBoard.
            self.config = {_text(item.key): _value(item.value) for item in start.hparams} | self.config
            self.group = self.group or _text(start.group_name)
        if found.HasField("session_end"):
            self.status = STATUS.get(found.session_end.status, self.status)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _value(variant: Any) -> Any:
    """A ``google.protobuf.Value``. 4.0 stays a float: there are no whole numbers in it."""
    if variant.HasField("number"):
        return variant.number
    if variant.HasField("text"):
        return _text(variant.text)
    if variant.HasField("bool"):
        return variant.bool
    if variant.HasField("list"):
        return [_value(item) for item in variant.list.values]
    if variant.HasField("struct"):
        return {_text(item.key): _value(item.value) for item in variant.struct.fields}
    return None
