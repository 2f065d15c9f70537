"""The probe's command line: ``python -m tests.differential.probe --seed 7 --home weak`` prints one record.

With ``--write FILE`` it writes the records of ``--parts`` as lines of JSON, which is how the comparison runs it.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable

from .homes import HOMES
from .lookups import try_all
from .names import write_names
from .querysets import ask_all
from .recording import Writer
from .tables import look_at_all
from .writes import write_all

__all__ = ["PARTS", "main"]

SEEDS = "0:2000"


Work = Callable[[Writer, argparse.Namespace], None]


def _querysets(writer: Writer, options: argparse.Namespace) -> None:
    seeds = _seeds(options.seeds or SEEDS)
    ask_all(writer, seeds, options.homes, options.live_every if len(seeds) > 1 else 1)


def _writes(writer: Writer, options: argparse.Namespace) -> None:
    write_all(writer, _name(options.seeds), options.homes)


def _tables(writer: Writer, options: argparse.Namespace) -> None:
    look_at_all(writer, options.homes, options.seeds)


def _lookups(writer: Writer, options: argparse.Namespace) -> None:
    try_all(writer, options.homes, options.seeds)


def _names(writer: Writer, options: argparse.Namespace) -> None:
    write_names(writer)


PARTS: dict[str, Work] = {
    "names": _names,
    "lookups": _lookups,
    "writes": _writes,
    "tables": _tables,
    "querysets": _querysets,
}


def _name(text: str | None) -> list[str] | None:
    return [text] if text else None


def _seeds(text: str) -> range:
    first, _, last = text.partition(":")
    return range(int(first), int(last)) if last else range(int(first), int(first) + 1)


def main(arguments: list[str]) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="probe", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", "--seeds", dest="seeds", help="N or N:M; the name of a scenario")
    parser.add_argument("--home", "--homes", dest="homes", type=lambda text: text.split(","), default=list(HOMES))
    parser.add_argument("--live-every", type=int, default=1, help="at live homes, one seed of so many")
    parser.add_argument("--parts", type=lambda text: text.split(","), default=["querysets"])
    parser.add_argument("--write", help="a file for the records")
    options = parser.parse_args(arguments)
    if options.write:
        with open(options.write, "w", encoding="utf-8") as file:
            writer = Writer(file)
            for part in options.parts:
                PARTS[part](writer, options)
        return
    buffer = io.StringIO()
    for part in options.parts:
        PARTS[part](Writer(buffer), options)
    print(shown(buffer.getvalue()))


def shown(lines: str) -> str:
    """Records as text for people, with long texts in their places."""
    entries = [json.loads(line) for line in lines.splitlines()]
    texts = {entry["digest"]: entry["text"] for entry in entries if "digest" in entry}
    return "\n".join(json.dumps(_filled(entry, texts), indent=1) for entry in entries if "part" in entry)


def _filled(value: object, texts: dict[str, str]) -> object:
    if isinstance(value, str):
        return texts.get(value, value).split("\n") if value in texts else value
    if isinstance(value, dict):
        return {key: _filled(item, texts) for key, item in value.items()}
    return [_filled(item, texts) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main(sys.argv[1:])
