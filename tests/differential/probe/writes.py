"""The part ``writes``: each scenario in a fresh world, step by step, and the world that it leaves."""

from __future__ import annotations

import asyncio
import inspect
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import wbmodel
from wbmodel import Project, Report, Run, Sweep

from .homes import PLACES, place
from .querysets import NAMES
from .recording import Writer, described, observed
from .scenarios import SCENARIOS
from .world import small_world

__all__ = ["write_all"]

_EVERY = {"live": 2, "readonly": 4}
"""Where a whole round takes long, or says the same again and again, one scenario of so many is played."""

_KNOWN = {*(f"r{number}" for number in range(10)), "sw", "rep1", "vision", "empty"}
_MADE_UP = re.compile(r'"name": "([a-z0-9]{8}|[a-z0-9]{12})"')


def write_all(writer: Writer, names: Iterable[str] | None = None, places: Iterable[str] = PLACES) -> None:
    """Play the scenarios of ``names`` (None: all) at ``places``."""
    for where in places:
        for number, (name, steps) in enumerate(SCENARIOS.items()):
            wanted = number % _EVERY.get(where, 1) == 0 if names is None else name in names
            # What waits for a change waits for ever where nothing can be changed.
            if wanted and (name, where) != ("watching", "readonly"):
                _play(writer, name, steps, where)


def _play(writer: Writer, name: str, steps: list[str], where: str) -> None:
    moods: list[Any] = []
    record: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        names: dict[str, Any] = {**NAMES, "errors": wbmodel.errors, "kept": _kept, "moods": moods, "told": _told}
        names["folder"] = Path(folder)
        with place(where, small_world(), lambda request: _mood(moods, request)) as session, session.as_current():
            names["session"] = session
            for number, step in enumerate(steps):
                record[f"{number} {step}"], _ = observed(lambda step=step: _done(step, names))
            state, rows = _state()
        record = _replaced({**record, "state": state}, {folder: "FOLDER", **_made_up(record, names, rows)})
    record["state"] = sorted(record["state"], key=repr)
    writer.write("writes", name, where, record)


def _done(step: str, names: dict[str, Any]) -> Any:
    try:
        code = compile(step, "<step>", "eval")
    except SyntaxError:
        exec(compile(step, "<step>", "exec"), names)
        return None
    value = eval(code, names)
    return asyncio.run(_awaited(value)) if inspect.isawaitable(value) else value


async def _awaited(value: Any) -> Any:
    return await value


def _mood(moods: list[Any], request: Any) -> Any:
    """``moods`` holds pairs: a text, and what becomes of mutations whose document or variables hold it."""
    if not request.document.text.startswith("mutation"):
        return None
    text = f"{request.operation_name} {dict(request.variables)}"
    return next((what for part, what in moods if part in text), None)


def _kept(run_id: str = "r1") -> Any:
    """The run as the backend has it now, all of its fields."""
    return Run.objects.get(id=run_id)


def _told(result: Any) -> Any:
    """A bulk result with every row."""
    return [repr(result), dict(result.counts), [str(row) for row in result], [row.earlier for row in result]]


def _state() -> tuple[Any, list[Any]]:
    rows: list[Any] = []
    for entity in (Project, Run, Sweep, Report):
        scope = {"entity": "acme"}
        rows += entity.objects.filter(**scope)
    return [described(row) for row in rows], rows


def _made_up(record: dict[str, Any], names: dict[str, Any], rows: list[Any]) -> dict[str, str]:
    """What the library or the server made up, and what stands for it."""
    found: dict[str, str] = {}
    held = [value for value in names.values() if isinstance(value, (Project, Report, Run, Sweep))]
    for row in [*held, *rows]:
        short = getattr(row, "id", None) or getattr(row, "name", None)
        if short not in _KNOWN and short not in found:
            found |= {row.node_id: f"NODE{len(found)}", short: f"ID{len(found)}"}
    for item in _MADE_UP.findall(repr(record)):
        found.setdefault(item, f"ID{len(found)}")
    return found


def _replaced(value: Any, stands: dict[str, str]) -> Any:
    if isinstance(value, str):
        for text, other in stands.items():
            value = value.replace(text, other)
        return value
    if isinstance(value, dict):
        return {key: _replaced(item, stands) for key, item in value.items()}
    return [_replaced(item, stands) for item in value] if isinstance(value, list) else value
