"""Physical plans, as ``explain().outline`` prints them, in ``tests/snapshots/plans.txt``: one for each way to answer.

Written anew by ``pytest --update-snapshots``; read the difference before you commit it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.compiler.test_snapshots import QUERIES
from tests.support.backends import FULL, WEAK, served
from tests.support.worlds import make_world
from wbmodel import Artifact, Run
from wbmodel.compiler.compile import compile_plan
from wbmodel.compiler.physical import Scan
from wbmodel.compiler.target import Target
from wbmodel.errors import ConfigurationError, FieldError
from wbmodel.operations import reload, save
from wbmodel.operations.paging import PageBudget
from wbmodel.operations.streams import open_stream
from wbmodel.query.plan import Plan

STORE = make_world().store()
META = Run.__wbmodel_meta__

PLANS: dict[str, Callable[[], Any]] = {
    **QUERIES,
    "nothing": Run.objects.none,
    "two nullable keys": lambda: Run.objects.order_by("summary.loss", "-heartbeat_at"),
    "one type only": lambda: Run.objects.order_by("-heartbeat_at")[:3],
    "checked here": lambda: Run.objects.filter(summary__loss__isfinite=True).order_by("summary.loss")[:3],
    "no name for it": lambda: Run.objects.order_by("user.username"),
    "two projects in an order": lambda: Run.objects.filter(project__in=["acme/vision", "acme/nlp"]).order_by(
        "config.lr"
    ),
    "every project of an entity": lambda: Run.objects.filter(entity="acme").order_by("summary.loss")[:2],
    "two paths": lambda: Run.objects.filter(path__in=["acme/vision/v01", "acme/nlp/n01"]),
    "every collection of a project": lambda: Artifact.objects.filter(project="acme/vision"),
}


def test_plans(snapshot: Callable[[str, str], None]) -> None:
    told = []
    for name, make in PLANS.items():
        shown: dict[str, str] = {}
        for kind in ("full", "weak"):
            with served(STORE, kind):
                shown[kind] = make().explain().outline
        lines = [f"{kind}\n{text}" for kind, text in shown.items()]
        told.append(f"# {name}\n" + (f"both\n{shown['full']}" if len(set(shown.values())) == 1 else "\n".join(lines)))
    snapshot("plans.txt", "\n\n".join(told))


def test_compiling_is_pure_and_total() -> None:
    plan = Plan(meta=META)
    target = Target(capabilities=WEAK, project="acme/vision")
    assert compile_plan(plan, target) == compile_plan(plan, target)
    with pytest.raises(FieldError, match="which project"):
        compile_plan(plan, Target(capabilities=WEAK))


def test_a_plan_for_another_backend_is_refused() -> None:
    here = Target(capabilities=FULL, project="acme/vision", place="https://one.example")
    there = Target(capabilities=FULL, project="acme/vision", place="https://two.example")
    step = compile_plan(Plan(meta=META), here)
    assert isinstance(step, Scan)
    open_stream(step, PageBudget(here), [])
    with pytest.raises(ConfigurationError, match="compiled for https://one.example, not for https://two.example"):
        open_stream(step, PageBudget(there), [])


def test_a_target_of_another_backend_is_refused() -> None:
    with served(STORE) as here, served(STORE) as there:
        run = Run.objects.using(here).first()
        assert run is not None
        for operation in (reload.reload(run, there.target), save.delete(run, there.target, {})):
            with pytest.raises(ConfigurationError, match="came from"):
                there.run(operation)
        here.run(reload.reload(run, here.target))
