"""Protobuf message classes made at run time from a field table, so that nothing generated has to match a user's
protobuf.

>>> classes = messages("demo", {"Point": "1:x:double 2:name:bytes", "Line": "1:points:Point*"})
>>> line = classes["Line"](points=[{"x": 1.5, "name": b"first"}])
>>> classes["Line"].FromString(line.SerializeToString()).points[0].x
1.5
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wbmodel.errors import LibraryNotInstalled

try:
    from google.protobuf.message import DecodeError
except ImportError:  # messages() says so
    DecodeError = ValueError  # type: ignore[assignment, misc]

__all__ = ["DecodeError", "messages"]

_TYPES = {"double": 1, "float": 2, "int64": 3, "uint64": 4, "int32": 5, "bool": 8, "bytes": 12, "uint32": 13}
_MESSAGE = 11


def messages(package: str, table: Mapping[str, str], *, extra: str = "tensorboard") -> dict[str, Any]:
    """The classes of ``table``: message name to ``"number:name:type"`` items, with ``*`` after the type of a repeated
    field. A type is a name of protobuf (declare texts as ``bytes``: one bad byte in a ``string`` loses the record) or
    of another message. Fields know whether they are present. ``extra`` is the extra of wbmodel that brings protobuf.

    Raises :class:`~wbmodel.errors.LibraryNotInstalled` without protobuf.
    """
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError:
        raise LibraryNotInstalled(
            f'these files are read with protobuf, which is not installed: pip install "wbmodel[{extra}]"'
        ) from None
    pb: Any = descriptor_pb2
    file = pb.FileDescriptorProto(name=f"wbmodel/{package}.proto", package=f"wbmodel.{package}", syntax="proto2")
    for name, fields in table.items():
        message = file.message_type.add(name=name)
        for text in fields.split():
            number, field, kind = text.split(":")
            many = kind.endswith("*")
            kind = kind.rstrip("*")
            made = message.field.add(name=field, number=int(number), label=3 if many else 1)
            if kind in _TYPES:
                made.type = _TYPES[kind]
            else:
                made.type, made.type_name = _MESSAGE, f".wbmodel.{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    find: Any = pool.FindMessageTypeByName
    return {name: message_factory.GetMessageClass(find(f"wbmodel.{package}.{name}")) for name in table}
