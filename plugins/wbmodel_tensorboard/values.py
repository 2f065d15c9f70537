"""Values that are not plain numbers: tensors, histograms, images, audio, text, precision-recall curves."""

from __future__ import annotations

import math
from struct import error as StructError  # noqa: N812
from struct import iter_unpack
from typing import Any

from wbmodel_tensorboard.messages import message

__all__ = ["classify", "kind_of", "plugin_of", "value_of"]

_PLUGINS = {"images": "images", "histograms": "histograms", "audio": "audios", "pr_curves": "pr_curve"}
_KINDS = {3: "bytes", 4: "image", 5: "histo", 6: "audio"}
_DTYPES = {1: "f", 2: "d", 3: "i", 4: "B", 5: "h", 6: "b", 9: "q", 10: "?", 17: "H", 19: "e", 22: "I", 23: "Q"}
_LISTS = {1: "float_val", 2: "double_val", 9: "int64_val", 10: "bool_val", 22: "uint32_val", 23: "uint64_val"}
_SMALL = (3, 4, 5, 6, 17)
_HALF, _BFLOAT16, _TEXT = 19, 14, 7
MOST_CELLS = 10_000_000
"""Cells of the largest tensor that is decoded."""


def plugin_of(metadata: bytes) -> tuple[str, bytes]:
    """The name of the plugin that a tag belongs to, and what it keeps there."""
    plugin = message("Metadata").FromString(metadata).plugin_data
    return plugin.plugin_name.decode("utf-8", "replace"), plugin.content


def kind_of(field: int, plugin: str | None) -> str | None:
    """The kind of a big value by the number of its field, and of a tensor by its plugin; None if it takes a look at its
    content."""
    if field == 8:
        return {"images": "images", "histograms": "histograms", "audio": "audios"}.get(plugin or "")
    return _KINDS[field]


def classify(field: int, plugin: str | None, data: bytes) -> tuple[str, Any]:
    """The kind of a value and, if it is a number, the number. Raises ``ValueError`` and protobuf's ``DecodeError`` for
    what is not such a value."""
    if field != 8:
        kind = _KINDS[field]
        if kind != "bytes":
            message(kind.title()).FromString(data)
        return kind, None
    tensor = message("Tensor").FromString(data)
    kind = _PLUGINS.get(plugin or "", "list")
    if kind != "list":
        return kind, None
    single = math.prod(dim.size for dim in tensor.shape.dim) == 1
    if tensor.dtype == _TEXT:
        if not tensor.string_val and (single or not len(tensor.shape.dim)):
            raise ValueError("a text without content")
        return "string" if single and (plugin == "text" or not len(tensor.shape.dim)) else kind, None
    if single and (plugin == "scalars" or not len(tensor.shape.dim)):
        cells = _filled(tensor)[1]
        return "number", cells[0]
    return kind, None


def _cells(tensor: Any) -> list[Any]:
    dtype, content = tensor.dtype, tensor.tensor_content
    if dtype == _TEXT:
        return list(tensor.string_val)
    if content:
        if len(content) > 8 * MOST_CELLS:
            raise ValueError(f"a tensor of {len(content):,} bytes")
        if dtype == _BFLOAT16:
            return [cell for (bits,) in iter_unpack("<H", content) for cell in _bfloat16(bits)]
        if dtype not in _DTYPES:
            raise ValueError(f"a tensor of type {dtype}")
        return [cell for (cell,) in iter_unpack(f"<{_DTYPES[dtype]}", content)]
    if dtype in _SMALL:
        return list(tensor.int_val)
    if dtype == _HALF:
        return [
            cell for bits in tensor.half_val for (cell,) in iter_unpack("<e", (bits & 0xFFFF).to_bytes(2, "little"))
        ]
    if dtype == _BFLOAT16:
        return [cell for bits in tensor.half_val for cell in _bfloat16(bits & 0xFFFF)]
    return list(getattr(tensor, _LISTS[dtype])) if dtype in _LISTS else []


def _bfloat16(bits: int) -> tuple[float, ...]:
    return next(iter_unpack("<f", b"\0\0" + bits.to_bytes(2, "little")))


def _filled(tensor: Any) -> tuple[list[int], list[Any]]:
    """The shape and all cells: fewer cells than the shape has mean that the last one is repeated."""
    cells, shape = _cells(tensor), [dim.size for dim in tensor.shape.dim]
    size = math.prod(shape)
    if any(side < 0 for side in shape) or size > MOST_CELLS or len(cells) > max(size, 1):
        raise ValueError(f"a tensor of shape {shape} with {len(cells)} cells")
    if len(cells) < size:
        cells += (cells[-1:] or [0]) * (size - len(cells))
    return shape, cells


def _nested(shape: list[int], cells: list[Any]) -> Any:
    if not shape:
        return cells[0] if cells else None
    for side in reversed(shape[1:]):
        cells = [cells[at : at + side] for at in range(0, len(cells), side)] if side else []
    return cells


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def value_of(kind: str, data: bytes, path: str) -> Any:
    """A value as it stands in a row. Media say where their bytes are among the run's files: ``path``, without the
    ending. Raises ``ValueError`` for what cannot be decoded."""
    try:
        return _READERS[kind](data, path)
    except (StructError, KeyError, IndexError, TypeError, OverflowError) as error:
        raise ValueError(f"a value of kind {kind!r}: {error}") from None


def _list(data: bytes, path: str) -> Any:
    shape, cells = _filled(message("Tensor").FromString(data))
    return _nested(shape, [_text(cell) if isinstance(cell, bytes) else cell for cell in cells])


def _string(data: bytes, path: str) -> Any:
    return _text(message("Tensor").FromString(data).string_val[0])


def _histo(data: bytes, path: str) -> Any:
    histo = message("Histo").FromString(data)
    limits, counts = list(histo.bucket_limit), list(histo.bucket)
    # A bucket ends at its limit and begins at the one before; the first begins at the minimum.
    first = min(histo.min, limits[0]) if limits else histo.min
    names = ("min", "max", "num", "sum", "sum_squares")
    facts = {name: getattr(histo, name) for name in names}
    return {"_type": "histogram", "values": counts, "bins": [first, *limits], **facts}


def _histograms(data: bytes, path: str) -> Any:
    shape, cells = _filled(message("Tensor").FromString(data))
    if len(shape) != 2 or shape[1] != 3:
        raise ValueError(f"a histogram of shape {shape}")
    lefts, rights, counts = cells[0::3], cells[1::3], cells[2::3]
    return {"_type": "histogram", "values": counts, "bins": [*lefts[:1], *rights], "left_edges": lefts}


def _pr_curve(data: bytes, path: str) -> Any:
    names = ("true_positives", "false_positives", "true_negatives", "false_negatives", "precision", "recall")
    shape, cells = _filled(message("Tensor").FromString(data))
    rows = _nested(shape, cells)
    return {"_type": "pr-curve", **dict(zip(names, rows, strict=True))}


def _image(data: bytes, path: str) -> Any:
    image = message("Image").FromString(data)
    ending = _ending(image.encoded)
    facts = {"width": image.width, "height": image.height, "format": ending, "size": len(image.encoded)}
    return {"_type": "image-file", "path": f"media/images/{path}", **facts}


def _images(data: bytes, path: str) -> Any:
    cells = message("Tensor").FromString(data).string_val
    if len(cells) < 2:
        raise ValueError(f"images of {len(cells)} parts")
    names = [f"media/images/{path}-{number}" for number in range(len(cells) - 2)]
    facts = {"width": int(cells[0]), "height": int(cells[1]), "count": len(names)}
    return {"_type": "images/separated", "filenames": names, "format": _ending(cells[2]) if names else "", **facts}


def _audio(data: bytes, path: str) -> Any:
    audio = message("Audio").FromString(data)
    facts = {"sample_rate": audio.sample_rate, "channels": audio.num_channels, "frames": audio.length_frames}
    facts |= {"content_type": _text(audio.content_type), "size": len(audio.encoded)}
    return {"_type": "audio-file", "path": f"media/audio/{path}", **facts}


def _audios(data: bytes, path: str) -> Any:
    shape, cells = _filled(message("Tensor").FromString(data))
    step = shape[1] if len(shape) > 1 else 1
    names = [f"media/audio/{path}-{number}" for number in range(len(cells) // max(1, step))]
    labels = [_text(cell) for cell in cells[1::2]] if step == 2 else []
    return {"_type": "audio", "filenames": names, "count": len(names), "captions": labels}


def _bytes(data: bytes, path: str) -> Any:
    return {"_type": "bytes", "size": len(data)}


def _ending(data: bytes) -> str:
    if data.startswith(b"GIF8"):
        return "gif"
    return "jpg" if data.startswith(b"\xff\xd8") else "png"


_READERS = {
    "list": _list,
    "string": _string,
    "histo": _histo,
    "histograms": _histograms,
    "pr_curve": _pr_curve,
    "image": _image,
    "images": _images,
    "audio": _audio,
    "audios": _audios,
    "bytes": _bytes,
}
