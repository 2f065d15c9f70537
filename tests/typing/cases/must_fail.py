"""What type checkers must refuse: each line with ``# error: <mypy code>`` is an error there, and no other line is."""

# ruff: noqa: B018
from __future__ import annotations

from wbmodel import Add, F, Project, Q, Report, Run, Sweep, connect

run = Run.objects.get(id="a")

run.sumary  # error: attr-defined
run.confg["lr"]  # error: attr-defined
run.project.runz  # error: attr-defined
run.files.frist()  # error: attr-defined
Run.objects.filtr(state="a")  # error: attr-defined
Run.objets  # error: attr-defined
run.path = "a/b/c"  # error: misc
run.created_at.foo  # error: attr-defined
run.sweep.id  # error: union-attr
Run.objects.first().name  # error: union-attr
Run.objects.filter("state")  # error: arg-type
Run.objects.filter(F.state)  # error: arg-type
Run.objects.best("summary.loss", goal="low")  # error: arg-type
Run.objects.best(1, goal="min")  # error: arg-type
Run.objects.order_by(1)  # error: arg-type
Run.objects.in_bulk([1, 2])  # error: list-item
Run.objects.all()["a"]  # error: call-overload
Run.objects.values("name")[0].name  # error: attr-defined
Run.objects.count() + "1"  # error: operator
Q("state")  # error: arg-type
sweep: Sweep = run  # error: assignment
project: Project = Run.objects.all()[0]  # error: assignment
names: list[str] = list(Run.objects.all())  # error: arg-type
Run(name="a")  # error: call-arg
run.group = 3  # error: assignment
run.tags = "good"  # error: assignment
run.state = "x"  # error: assignment
run.id = "x"  # error: assignment
run.project = project  # error: assignment
run.sweep = None  # error: assignment
sweep.config = {}  # error: assignment
project.name = "x"  # error: assignment
project.entity = "x"  # error: assignment
run.grup = "x"  # error: attr-defined
run.save(update_fields=3)  # error: arg-type
run.save(["name"], True)  # error: call-arg
run.dirty_fields = ("name",)  # error: misc
run.delete(delete_drafts=True)  # error: call-arg
run.files.first().save()  # error: union-attr
Run.objects.update(["group"])  # error: arg-type
Run.objects.update(group="x", errors="ignore")  # error: arg-type
Run.objects.update(group="x", at_once="all")  # error: arg-type
Run.objects.all().delete(dry_run="yes")  # error: arg-type
Run.objects.all().delete(tags=["a"])  # error: call-arg
Run.objects.create("name")  # error: call-arg
report: Report = Run.objects.create(name="x")  # error: assignment
Add(1)  # error: arg-type
connect("fixtures:x").execute(5)  # error: arg-type
run.history(keys=["loss"], samples=500)  # error: operator
run.history.order_by("loss")  # error: attr-defined
run.history.values("loss", how="left")  # error: arg-type
run.history.best("loss", "least")  # error: arg-type
run.history = run.console  # error: misc
