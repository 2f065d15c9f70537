"""Names that Django people try, and the page that tells them what is the same here."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path

import pytest

from tests.support.queries import ids, on
from wbmodel import QuerySet, Run
from wbmodel.objects.django_names import DJANGO

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "for-django-people.md"

# The public methods of django.db.models.QuerySet in Django 5.2; each that asks has a twin with an `a` in front.
METHODS = re.findall(
    r"\w+",
    """
aggregate alias all annotate as_manager bulk_create bulk_update complex_filter contains count create dates datetimes
defer delete difference distinct earliest exclude exists explain extra filter first get get_or_create in_bulk
intersection iterator last latest none only order_by prefetch_related raw reverse select_for_update select_related
union update update_or_create using values values_list
""",
)
TWINS = re.findall(
    r"\w+",
    """
aaggregate abulk_create abulk_update acontains acount acreate adelete aearliest aexists aexplain afirst aget
aget_or_create ain_bulk aiterator alast alatest aupdate aupdate_or_create
""",
)


@pytest.mark.parametrize("name", METHODS + TWINS)
def test_a_method_of_django_is_here_or_names_the_way(name: str) -> None:
    if hasattr(QuerySet, name):
        assert name not in DJANGO
        return
    if name == "aexplain":
        return  # explain() sends nothing here, so it needs no twin
    with pytest.raises(AttributeError, match=f"'QuerySet' has no attribute '{name}': wbmodel leaves .* out; .{{20,}}"):
        getattr(Run.objects, name)


def test_a_slip_names_the_nearest() -> None:
    with pytest.raises(AttributeError, match=r"'QuerySet' has no attribute 'fliter'; did you mean 'filter'"):
        getattr(Run.objects, "fliter")  # noqa: B009 - a type checker knows better
    with pytest.raises(AttributeError, match="'QuerySet' has no attribute 'zzzzzz'$"):
        getattr(Run.objects, "zzzzzz")  # noqa: B009


def test_querysets_are_copied_and_pickled_as_before() -> None:
    with on():
        rows = Run.objects.order_by("id")[:3]
        for made in (copy.copy(rows), copy.deepcopy(rows), pickle.loads(pickle.dumps(rows))):
            assert ids(made) == ids(rows)
    assert not hasattr(QuerySet.__new__(QuerySet), "_repr_latex_")


def test_the_page_names_every_method_of_django_in_one_column() -> None:
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    table = [row for row in rows if not row[0].startswith(("Django", "---"))]
    named = [re.findall(r"`(\w+)\(?\)?`", django) for django, _, _ in table]
    assert sorted(name for names in named for name in names) == sorted(METHODS)
    for (_, here, _), names in zip(table, named, strict=True):
        for name in names:
            assert here == ("not there" if name in DJANGO else here), name
            assert hasattr(QuerySet, name) == (here in ("same", "differs")), name
