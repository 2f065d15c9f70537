"""What a notebook shows of querysets and objects: plain, escaped, bounded, one page, and never an error."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.backends import served
from tests.support.changing import web
from tests.support.odd_worlds import HOSTILE, hostile, many, odd, parsed
from tests.support.worlds import make_world
from wbmodel import Artifact, ArtifactCollection, ArtifactType, Entity, Project, Report, Run, Sweep, User, connect
from wbmodel.display.notebook import table_html
from wbmodel.objects.queryset import QuerySet
from wbmodel.request import Request, Response
from wbmodel.testing import assert_num_requests, count_requests

STORE = make_world().store()


# -- at most a page --------------------------------------------------------------------------------


def test_twenty_rows_of_one_request() -> None:
    with many():
        rows = Run.objects.all()
        with count_requests() as sent:
            page = parsed(rows._repr_html_())
        assert sent.count == 1
        assert sent.requests[0].variables["first"] == 21
        assert len(page.rows) == 1 + 20
        assert page.notes == ["QuerySet[Run]: the first 20 rows; there are more"]
        assert [row[0] for row in page.rows[1:]] == [f"m{index}" for index in range(44, 24, -1)]


@pytest.mark.parametrize("kind", ["full", "weak", "drops", "mongo", "loose", "hostile1", "hostile2"])
@pytest.mark.parametrize(
    "make",
    [
        Run.objects.all,
        lambda: Run.objects.filter(summary__loss__isnan=True),
        lambda: Run.objects.exclude(tags__contains="broken").order_by("summary.loss", "-config.lr"),
        lambda: Run.objects.order_by("name").prefetch_related("files")[3:],
        lambda: Run.objects.filter(project__in=["acme/vision", "acme/nlp"]),
        lambda: Run.objects.values("id", "config.lr"),
    ],
)
def test_one_page_on_every_kind_of_backend(kind: str, make: Any) -> None:
    """Also where the server cannot be asked, and a list would read every page."""
    with served(STORE, kind):
        for show in (QuerySet._repr_html_, QuerySet.__repr__):
            with count_requests() as sent:
                show(make())
            assert sum(request.operation_name == "Runs" for request in sent.requests) == 1
            assert sent.count == 1


def test_a_page_without_rows_says_so() -> None:
    with served(STORE, "weak"):
        page = parsed(Run.objects.filter(id__iregex="^v33$")._repr_html_())
    assert len(page.rows) == 1
    assert page.notes == ["QuerySet[Run]: no matching rows on the first page; iterate to read more"]


def test_rows_that_were_read_are_shown_without_a_request() -> None:
    with many():
        rows = Run.objects.all()
        assert len(rows) == 45
        with assert_num_requests(0):
            page = parsed(rows._repr_html_())
        assert page.notes == ["QuerySet[Run]: 45 rows, showing the first 20"]
        assert len(page.rows) == 21
        few = rows.filter(id__in=["m01", "m02"])
        assert parsed(few._repr_html_()).notes == ["QuerySet[Run]: 2 rows"]
        assert parsed(rows.none()._repr_html_()).notes == ["QuerySet[Run]: 0 rows"]


def test_looking_for_the_place_does_not_count() -> None:
    with connect("demo:", default=False), count_requests() as sent:
        page = parsed(Run.objects.all()._repr_html_())
    assert [request.operation_name for request in sent.requests] == ["Entities", "Projects", "Runs"]
    assert page.rows[0][:3] == ["project", "id", "name"]


def test_a_cell_shows_text_and_table_for_one_request() -> None:
    formatters = pytest.importorskip("IPython.core.formatters", reason="IPython is not installed")
    with many():
        rows = Run.objects.all()
        with count_requests() as sent:
            shown, _ = formatters.DisplayFormatter().format(rows)
        assert sent.count == 1
        assert shown["text/plain"] == repr(rows)
        assert shown["text/html"] == rows._repr_html_()


def test_repr_off_asks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with many():
        run = Run.objects.get(id="m01")
        monkeypatch.setenv("WBMODEL_REPR", "OFF")
        with assert_num_requests(0):
            rows = Run.objects.all()
            assert rows._repr_html_() is None
            assert run._repr_html_() is None
            assert rows._repr_mimebundle_() == {"text/plain": "<QuerySet[Run] not evaluated>"}


# -- what is in it ---------------------------------------------------------------------------------


def test_columns_are_the_keys_that_differ() -> None:
    with many():
        page = parsed(Run.objects.all()._repr_html_())
        own = ["id", "name", "state", "created_at"]
        # Neither what is the same everywhere (same, acc), nor W&B's own (_step).
        assert page.rows[0] == [*own, "config.lr", "config.deep.er", "config.rare", "summary.loss"]
        assert page.rows[1] == ["m44", "run 44", "finished", "2024-03-01 10:00:44 UTC", "44", "0", "1", "6.28571"]
        assert page.rows[2][6] == ""
        named = parsed(Run.objects.filter(summary__acc=0.5).order_by("config.same")._repr_html_())
        assert named.rows[0][4] == "config.same"
        assert "summary.acc" in named.rows[0]
        assert parsed(Run.objects.only("name")._repr_html_()).rows[0] == ["id", "name", "created_at"]
        assert parsed(Run.objects.defer("config")._repr_html_()).rows[0] == [*own, "summary.loss"]


def test_rows_of_several_projects_name_theirs() -> None:
    with served(STORE):
        page = parsed(Run.objects.filter(project__in=["acme/vision", "acme/nlp"]).order_by("id")._repr_html_())
        assert page.rows[0][0] == "project"
        assert {row[0] for row in page.rows[1:]} == {"acme/nlp", "acme/vision"} or page.rows[1][0] == "acme/nlp"


def test_values() -> None:
    with many():
        rows = Run.objects.order_by("id")[:2]
        expected = [["id", "config.lr", "summary.nothing"], ["m00", "0", ""], ["m01", "1", ""]]
        paths = ("id", "config.lr", "summary.nothing")
        assert parsed(rows.values(*paths)._repr_html_()).rows == expected
        assert parsed(rows.values_list(*paths)._repr_html_()).rows == expected
        assert parsed(rows.values_list(*paths, named=True)._repr_html_()).rows == expected
        assert parsed(rows.values_list("id", flat=True)._repr_html_()).rows == [["id"], ["m00"], ["m01"]]
        assert parsed(rows.values_list("config", flat=True)._repr_html_()).rows[1] == [
            '{"same":1,"lr":0,"deep":{"er":0}}'
        ]
        wide = parsed(rows.values(*(f"config.k{index}" for index in range(40)))._repr_html_())
        assert {len(row) for row in wide.rows} == {24}
        assert wide.notes == ["QuerySet[Run]: 2 rows; 16 more columns"]


def test_every_entity_is_shown() -> None:
    with served(STORE):
        for cls, lookups in (
            (Project, {}),
            (Run, {}),
            (Sweep, {}),
            (Report, {}),
            (User, {}),
            (Entity, {}),
            (ArtifactType, {}),
            (ArtifactCollection, {}),
            (Artifact, {"collection": "images"}),
        ):
            rows = cls.objects.filter(**lookups)
            page = parsed(rows._repr_html_())
            assert len(page.rows) > 1, cls
            assert cls.__wbmodel_meta__.key in page.rows[0]
            first = rows[0]
            with assert_num_requests(0):
                assert len(parsed(first._repr_html_()).rows) > 1
        run = Run.objects.get(id="v01")
        assert parsed(run.files.all()._repr_html_()).rows[0][0] == "name"


def test_one_object() -> None:
    with many():
        run = Run.objects.select_related("project").get(id="m44")
        with assert_num_requests(0):
            page = parsed(run._repr_html_())
        cells = dict(page.rows)
        assert cells["name"] == "run 44"
        assert cells["config.deep.er"] == "0"
        assert cells["project"] == "acme/vision"
        assert "node_id" not in cells
        assert page.notes == ["Run acme/vision/m44 (finished)"]
        assert page.links == []
        project = Project.objects.get(path="acme/vision")
        assert dict(parsed(project._repr_html_()).rows)["entity"] == "acme"
        assert parsed(Run.objects.only("name")[0]._repr_html_()).rows[1:3] == [["id", "m44"], ["name", "run 44"]]
    with odd():
        page = parsed(Run.objects.get(id="wide")._repr_html_())
        assert len(page.rows) <= 21
        assert "195 more in config" in page.notes[0]


def test_an_object_of_a_server_links_to_its_page() -> None:
    with web(STORE):
        run = Run.objects.get(id="v01")
        page = parsed(run._repr_html_())
        assert page.links == ["https://wandb.ai/acme/vision/runs/v01"]
        assert "k" * 40 not in str(run._repr_html_())


# -- nothing gets out, and nothing goes wrong ------------------------------------------------------


def test_every_text_is_escaped() -> None:
    with hostile():
        rows = Run.objects.order_by("id")
        shown = [
            rows._repr_html_(),
            rows.values("name", "notes", "config.\"<script>document.title='taken'</script>\"")._repr_html_(),
        ]
        shown += [run._repr_html_() for run in rows]
        shown += [
            Project.objects.all()._repr_html_(),
            Sweep.objects.all()._repr_html_(),
            Project.objects.all()[0]._repr_html_(),
        ]
        shown.append(table_html(HOSTILE, [HOSTILE], HOSTILE[0]))
        for html in shown:
            parsed(html)  # refuses every tag and attribute but those of plain tables
            assert html is not None
            for char in "\x00\x1b\x07\u202e\u2066\ud83d":
                assert char not in html
        names = [row[1] for row in parsed(shown[0]).rows[1:]]
        assert names[0] == HOSTILE[0]
        assert r"tab\there\nnew line\x00\x1b[31mred\x07" in names
        assert "名前 🚀 имя" in names
        assert max(map(len, names)) <= 80
        # Nor does anything hide in a text: the rule is that of the command line.
        assert "a\\u200bb \\xad \\u2028" in table_html(["a\u200bb \xad \u2028"], [])


def test_odd_values() -> None:
    with odd():
        rows = Run.objects.order_by("id")
        parsed(rows._repr_html_())
        for run in rows:
            parsed(run._repr_html_())
        cells = {row[0]: row[1] for row in parsed(rows.values("id", "config.v")._repr_html_()).rows}
        assert cells["o0"] == "1e+300"
        assert cells["o3"] == "True"
        assert cells["o5"] == "1" + "0" * 40
        assert cells["o6"] == "[1,[2]]"
    assert "(int)" in table_html(["a"], [[10**5000]])


def test_it_never_raises() -> None:
    page = parsed(Run.objects.all()._repr_html_())
    assert "cannot be evaluated: nothing to connect to" in page.notes[0]
    assert set(Run.objects.all()._repr_mimebundle_()) == {"text/plain", "text/html"}
    with many() as session:
        missing = Run.objects.filter(project="acme/<b>nothing")
        assert "<b>nothing" in parsed(missing._repr_html_()).notes[0]

        def broken(request: Request, *, timeout: float | None = None) -> Response:
            return Response(errors=[{"message": "<script>out of order</script>"}])

        run = Run.objects.only("id")[0]
        session.backend.execute = broken  # type: ignore[method-assign]
        assert "<script>out of order</script>" in parsed(Run.objects.all()._repr_html_()).notes[0]
        parsed(run._repr_html_())
    assert isinstance(run._repr_html_(), str)
    blank = object.__new__(Run)
    assert blank._repr_html_() is None
