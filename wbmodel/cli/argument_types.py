"""Reads numbers of arguments: of rows, seconds, ports, and with units."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping

__all__ = ["age", "latency", "limit", "port", "rows", "seconds", "size"]


def limit(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of rows; use a whole number, or all")
    return int(text[:18])


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def rows(text: str) -> int:
    found = limit(text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of rows from 1")
    return found


def port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a port; use a whole number up to 65535, or 0 for any free port"
        )
    return int(text)


def latency(text: str) -> float:
    return 0.0 if text == "0" else seconds(text)


def _measure(units: Mapping[str, float], example: str) -> Callable[[str], float]:
    def read(text: str) -> float:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text)
        if found is None or found[2].lower() not in units:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number with a unit, as in {example}")
        return float(found[1]) * units[found[2].lower()]

    return read


age = _measure({"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}, "90s, 45m, 12h, 30d, 2w")


size = _measure(
    {
        "b": 1,
        "kb": 1e3,
        "mb": 1e6,
        "gb": 1e9,
        "tb": 1e12,
        "kib": 2**10,
        "mib": 2**20,
        "gib": 2**30,
        "tib": 2**40,
    },
    "0B, 500MB, 5GB, 2GiB",
)
