"""Values that are not what they should be, and slips in calls: each is a clear error that names the thing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.places import HOME, kept, moody, on, variables, world
from wbmodel import Run, Sweep, Unset
from wbmodel.errors import FieldError, QueryError, ServerError, UnreadableValue
from wbmodel.request import Request, Response
from wbmodel.testing import assert_num_requests, count_requests
from wbmodel_fixtures import world_from


@contextmanager
def damaged(field: str, text: Any, run_id: str = "r2") -> Iterator[None]:
    """A server whose answers hold ``text`` in a field of one run."""

    def edit(value: Any) -> Any:
        if isinstance(value, dict):
            if value.get("name") == run_id and field in value:
                return {**value, field: text}
            return {name: edit(item) for name, item in value.items()}
        return [edit(item) for item in value] if isinstance(value, list) else value

    with moody(world_from(world()).world) as session:
        backend: Any = session.backend
        carry_out = backend.engine.execute

        def execute(request: Request) -> Response:
            response: Response = carry_out(request)
            return response if "mutation" in request.document.text else Response(edit(response.data), response.errors)

        backend.engine.execute = execute
        yield


# -- text that is no JSON --------------------------------------------------------------------------


@pytest.mark.parametrize("colour", ["plain", "async"])
async def test_one_unreadable_row_fails_alone(colour: str, tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    with damaged("config", "{bad"):
        rows = Run.objects.all()
        if colour == "plain":
            result = rows.update(config__z=1, errors="return", journal=file)
        else:
            result = await rows.aupdate(config__z=1, errors="return", journal=file)
        assert result.counts == {"done": 4, "failed": 1}
        (row,) = result.failures
        assert row.path == f"{HOME}/r2"
        assert isinstance(row.error, UnreadableValue)
        assert rows.update(notes="n").counts == {"done": 5}, "what is not looked at does not matter"
    assert '"outcome":"failed"' in file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("field", "wire", "text"),
    [
        ("config", "config", "{bad"),
        ("summary", "summaryMetrics", "no" * 100),
        ("summary", "summaryMetrics", {"x": 1}),
        ("raw_config", "config", "[1,"),
        ("raw_config", "config", {"x": 1}),
    ],
)
def test_an_unreadable_value_says_whose_it_is_and_what_to_do(field: str, wire: str, text: Any) -> None:
    with damaged(wire, text):
        run = kept("r2")
        for _ in range(2):
            with pytest.raises(UnreadableValue) as told:
                getattr(run, field)
        name = field.removeprefix("raw_")
        for part in (
            f"{name} of <Run {HOME}/r2",
            repr(text)[:60],
            f"defer('{name}')",
            f"set {name} to a new dict",
        ):
            assert part in str(told.value)
        assert isinstance(told.value, (ServerError, ValueError))
        assert (run.name, run.tags, run.dirty_fields) == ("run 2", [], ())
        assert len(Run.objects.defer(name)) == 5


@pytest.mark.parametrize("text", ["{bad", {"lr": 1}])
def test_what_cannot_be_read_can_be_replaced(text: Any) -> None:
    with damaged("config", text), count_requests() as sent:
        run = kept("r2")
        run.config = {"lr": 1}
        assert run.dirty_fields == ("config",)
        assert run.save() == ("config",)
        assert variables(sent.requests[-1])["config"] == {"lr": {"value": 1}}
        assert (run.config, run.dirty_fields) == ({"lr": 1}, ())
    with damaged("summaryMetrics", text):
        run = kept("r2")
        run.summary = {"x": 1}
        assert (run.save(), run.dirty_fields) == (("summary",), ())


def test_yaml_that_is_none() -> None:
    with on("fixtures"):
        sweep = Sweep.objects.get(id="sw")
        sweep._config_text = "{"
        with pytest.raises(UnreadableValue, match=r"config of <Sweep .*sw.*is not a YAML mapping"):
            _ = sweep.config


# -- tags ------------------------------------------------------------------------------------------


def test_a_tag_that_the_server_has_twice_is_no_change(place: str) -> None:
    given = world()
    given["entities"]["acme"]["projects"]["vision"]["runs"][1]["tags"] = ["a", "a", "b"]
    with on(place, given):
        run = kept()
        assert (len(run.tags) >= 2, run.dirty_fields) == (True, ())
        assert Run.objects.filter(id="r1").update(tags=["a", "b"]).counts == {"unchanged": 1}
        run.tags.append("c")
        assert run.save() == ("tags",)
        assert (kept().tags, run.dirty_fields) == (["a", "b", "c"], ())
        with assert_num_requests(0):
            run.save()


@pytest.mark.parametrize("value", [["x"], {"x": 1}, {1, 2}, 3, None])
def test_what_is_no_tag(value: Any) -> None:
    with on("fixtures"):
        run = kept()
        run.tags.append(value)
        assert run.dirty_fields == ("tags",)
        with (
            assert_num_requests(0),
            pytest.raises(FieldError, match=r"Run\.tags takes a list of text, but .* is not text"),
        ):
            run.save()


# -- slips -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("notes", r"Run\.notes cannot be deleted; notes = None clears it, and refresh\(\) undoes"),
        ("tags", r"tags = \[\] clears it"),
        ("config", r"del run\.config\['key'\] removes one key, config = \{\} clears it"),
        ("display_name", r"Run\.name cannot be deleted"),
        ("state", "own process reports"),
        ("created_at", "no mutation"),
    ],
)
def test_fields_are_not_deleted(name: str, says: str) -> None:
    with on("fixtures"):
        run = kept()
        run.config["lr"] = run.notes = "mine"
        with pytest.raises(FieldError, match=says):
            delattr(run, name)
        assert (run.config["lr"], run.notes, run.dirty_fields) == ("mine", "mine", ("config", "notes"))


def test_other_attributes_are_deleted_as_ever() -> None:
    class MyRun(Run):
        pass

    with on("fixtures"):
        run = MyRun.objects.get(id="r1")
        run.mine = 1  # type: ignore[attr-defined]
        del run.mine  # type: ignore[attr-defined]
        assert not hasattr(run, "mine")
        for name in ("nothing", "files", "path"):
            with pytest.raises(AttributeError):
                delattr(run, name)


async def test_update_fields_by_place() -> None:
    with on("fixtures"):
        run = kept()
        run.notes, run.group = "n", "g"
        assert run.save(["notes"]) == ("notes",)
        assert await run.asave(["group"]) == ("group",)
        run.notes = "m"
        for given in (True, 3):
            with pytest.raises(FieldError, match=r"a list of names, as in save\(\['tags'\]\), not"):
                run.save(given)  # type: ignore[arg-type]
        with pytest.raises(FieldError, match=r"write \['notes'\]"):
            run.save("notes")


@pytest.mark.parametrize("journal", [True, False, 3, b"x", ["j"]])
def test_what_is_no_file_for_a_journal(journal: Any) -> None:
    with on("fixtures"), assert_num_requests(0):
        with pytest.raises(QueryError, match=r"journal must be the path of a file, as in journal='tags.jsonl', not"):
            Run.objects.update(notes="n", journal=journal)
        with pytest.raises(QueryError, match="journal must be the path"):
            Run.objects.filter(id="r1").delete(journal=journal, dry_run=True)


def test_unset_leaves_the_unreadable_alone() -> None:
    with damaged("config", "{bad"):
        assert Run.objects.update(config__none=Unset(), errors="return").counts == {"unchanged": 4, "failed": 1}
