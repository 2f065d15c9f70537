"""``project`` and ``entity`` route a query: where they may stand, what they take, and what they say otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from wbmodel import Artifact, F, File, Project, Q, Run, Sweep
from wbmodel.errors import FieldError
from wbmodel.meta.scopes import RUN
from wbmodel.query.conditions import resolve
from wbmodel.query.scopes import Scopes, narrow, split_inside, split_project

META = Run.__wbmodel_meta__


def scopes(condition: Q, meta: Any = META) -> dict[str, Any]:
    return dict(resolve(meta, condition)[1])


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Q(project="e/p"), {"project": ("e/p",)}),
        (Q(project="p"), {"project": ("p",)}),
        (Q(project=" e/p/ "), {"project": ("e/p",)}),
        (Q(project__in=["a/b", "a/c"]), {"project": ("a/b", "a/c")}),
        (Q(project__in=["a/b", "a/b"]), {"project": ("a/b",)}),
        (Q(project__in=[]), {"project": ()}),
        (Q(project__exact="p"), {"project": ("p",)}),
        (Q(entity="acme"), {"entity": ("acme",)}),
        (Q(entity="acme", project="p"), {"entity": ("acme",), "project": ("p",)}),
        (Q(project="a/b") & Q(state="x"), {"project": ("a/b",)}),
        (Q(Q(Q(project="a/b"))), {"project": ("a/b",)}),
        (F.project == "a/b", {"project": ("a/b",)}),
        (F.project.in_(["a/b"]), {"project": ("a/b",)}),
        # Two that stand in an AND are narrowed to what both say.
        (Q(project__in=["a/b", "a/c"]) & Q(project="a/c"), {"project": ("a/c",)}),
        (Q(project="a/b") & Q(project="a/c"), {"project": ()}),
    ],
)
def test_where_scopes_stand(condition: Q, expected: dict[str, Any]) -> None:
    assert scopes(condition) == expected


@pytest.mark.parametrize(
    "condition",
    [
        Q(project="a/b") | Q(project="a/c"),
        Q(project="a/b") | Q(state="x"),
        ~Q(project="a/b"),
        Q(state="x") & (Q(project="a/b") | Q(group="g")),
        ~(Q(state="x") & Q(entity="acme")),
    ],
)
def test_where_scopes_do_not_stand(condition: Q) -> None:
    with pytest.raises(FieldError, match=r"not under \|, ~ or exclude\(\).*__in=\[\.\.\.\]"):
        scopes(condition)


def test_an_excluded_scope() -> None:
    with pytest.raises(FieldError, match="not under"):
        Run.objects.exclude(project="a/b")


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        (Q(project__ne="a/b"), "takes only project=... or project__in"),
        (Q(project__contains="a"), "not 'contains'"),
        (Q(project__isnull=True), "not 'isnull'"),
        (Q(entity__startswith="a"), "not 'startswith'"),
        (Q(project="a/b/c"), "is not a project; write entity/project"),
        (Q(project="a//b"), "is not a project"),
        (Q(project=""), "is empty"),
        (Q(project="/"), "is empty"),
        (Q(project=None), "takes"),
        (Q(project=3), "not 3"),
        (Q(project__in="a/b"), "takes a list"),
        (Q(entity="a/b"), "for a project use project='a/b'"),
        (Q(entity=""), "is empty"),
    ],
)
def test_bad_scopes(condition: Q, says: str) -> None:
    with pytest.raises(FieldError, match=says) as caught:
        scopes(condition)
    assert str(caught.value).startswith("Run ")


def test_other_entities_have_other_scopes() -> None:
    assert scopes(Q(run="a/b/c"), File.__wbmodel_meta__) == {"run": ("a/b/c",)}
    assert scopes(Q(artifact="id"), File.__wbmodel_meta__) == {"artifact": ("id",)}
    assert scopes(Q(logged_by="a/b/c"), Artifact.__wbmodel_meta__) == {"logged_by": ("a/b/c",)}
    assert scopes(Q(entity="a"), Project.__wbmodel_meta__) == {"entity": ("a",)}
    assert scopes(Q(project="a/b"), Sweep.__wbmodel_meta__) == {"project": ("a/b",)}
    with pytest.raises(FieldError, match="File has no field 'project'"):
        scopes(Q(project="a/b"), File.__wbmodel_meta__)


def test_paths() -> None:
    assert split_project("a/b") == ("a", "b")
    assert split_project("b") == (None, "b")
    assert split_inside(RUN, "a/b/c", "run") == ("a", "b", "c")
    assert split_inside(RUN, "a/b/runs/c", "run") == ("a", "b", "c")
    assert split_inside(RUN, "b/c", "run") == (None, "b", "c")
    assert split_inside(RUN, "c", "run") == (None, None, "c")
    for bad in ("a/b/c/d", "", "a//c"):
        with pytest.raises(FieldError, match="is not a run"):
            split_inside(RUN, bad, "run")


def test_two_spellings_of_one_project_meet() -> None:
    kinds = {"project": "project", "type": "text"}
    scopes: Scopes = {}
    narrow(scopes, kinds, "project", ("vision", "acme/nlp"))
    narrow(scopes, kinds, "project", ("acme/vision", "beta/vision", "beta/nlp"))
    assert scopes == {"project": ("acme/vision", "beta/vision")}
    narrow(scopes, kinds, "project", ("nlp",))
    assert scopes == {"project": ()}
    narrow(scopes, kinds, "type", ("model", "dataset"))
    narrow(scopes, kinds, "type", ("model",))
    assert scopes["type"] == ("model",)
