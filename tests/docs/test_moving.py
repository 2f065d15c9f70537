"""The lines of "Move from wandb.Api" give the same, old beside new."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import wbmodel
from wbmodel import Api, Q
from wbmodel.api.attrs import Attrs
from wbmodel.entities.base import Model

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "moving-from-wandb-api.md"
ROW = re.compile(r"^\| `(.+)` \| `(.+)` \|$", re.MULTILINE)


def plain(value: Any) -> Any:
    if isinstance(value, Attrs):
        return value.model
    if isinstance(value, (str, Model)) or not isinstance(value, Iterable):
        return value
    return [item if isinstance(item, dict) else plain(item) for item in value]


def test_each_old_line_gives_what_the_new_line_gives() -> None:
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert len(rows) == 20
    names = {name: getattr(wbmodel, name) for name in ("Artifact", "Project", "Report", "Run", "Sweep")}
    with wbmodel.connect("demo:", project="demo/vit-prisma", default=False) as session, session.as_current():
        api = Api({"base_url": "demo:", "entity": "demo"})
        for old, new in rows:
            new = new.replace("\\|", "|")
            first, second = plain(eval(old, {"api": api})), plain(eval(new, {**names, "Q": Q}))
            assert first == second, (old, new)
            assert first not in (None, [], 0) or "files" in old, old
