"""Setting fields and saving them: what is sent, what is refused, what is left when it fails."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import pytest

from tests.support.places import HOME, kept, moody, on, variables, world
from wbmodel import Project, Run, Sweep
from wbmodel.errors import (
    ConflictError,
    FieldError,
    FieldNotLoaded,
    NotSupported,
    OutcomeUnknown,
    ServerError,
)
from wbmodel.request import Request
from wbmodel.testing import assert_num_requests, count_requests
from wbmodel_fixtures import world_from


def mutations(sent: Any) -> list[Request]:
    return [request for request in sent.requests if request.document.text.startswith("mutation")]


def test_only_what_changed_is_sent(place: str) -> None:
    with on(place):
        run = kept()
        assert run.dirty_fields == ()
        run.group, run.notes = "new", "see the log"
        run.tags.append("good")
        run.summary["extra"] = {"f1": [1, None, True]}
        assert run.dirty_fields == ("summary", "tags", "group", "notes")
        with count_requests() as sent:
            assert run.save() == ("summary", "tags", "group", "notes")
        (request,) = sent.requests
        assert variables(request) == {
            "id": run.node_id,
            "summaryMetrics": {"loss": 1, "best": math.inf, "extra": {"f1": [1, None, True]}},
            "tags": ["first", "good"],
            "groupName": "new",
            "notes": "see the log",
        }
        again = kept()
        assert (again.group, again.notes, again.tags) == ("new", "see the log", ["first", "good"])
        assert again.summary["extra"] == {"f1": [1, None, True]}
        assert again.config == {"lr": 0.1, "model": {"depth": 1}}
        with assert_num_requests(0):
            assert run.dirty_fields == ()
            assert run.save() == ()


async def test_the_other_colour(place: str) -> None:
    with on(place):
        run = await Run.objects.aget(id="r1")
        run.name = "better"
        del run.config["model"]
        async with count_requests() as sent:
            assert await run.asave() == ("name", "config")
        assert [variables(item) for item in sent.requests] == [
            {"id": run.node_id, "displayName": "better", "config": {"lr": {"desc": None, "value": 0.1}}}
        ]
        again = await Run.objects.aget(id="r1")
        assert (again.name, again.config) == ("better", {"lr": 0.1})
        await again.adelete()
        assert await Run.objects.filter(id="r1").acount() == 0


def test_setting_what_was_there_or_reading_it_is_no_change() -> None:
    with on("fixtures"):
        run = kept()
        run.name = run.name
        run.group = "x"
        run.group = "odd"
        run.tags = ["first"]
        run.config["lr"] = 0.1
        run.config["new"] = 1
        del run.config["new"]
        run.notes = ""  # W&B tells no text from empty text
        assert run.dirty_fields == ()
        with assert_num_requests(0):
            run.save()


def test_one_two_three_and_true_are_different_values() -> None:
    given = world()
    given["entities"]["acme"]["projects"]["vision"]["runs"][1]["config"] = {"a": 1, "b": 1.0, "c": True, "d": math.nan}
    with on("fixtures", given):
        run = kept()
        run.config.update(a=1, b=1.0, c=True, d=float("nan"))
        assert run.dirty_fields == ()
        run.config["a"] = 1.0
        assert run.dirty_fields == ("config",)
        run.config.update(a=True)
        assert run.dirty_fields == ("config",)
        run.config.update(a=1, c=1)
        assert run.dirty_fields == ("config",)
        run.config.update(c=True, b=-0.0)
        assert run.dirty_fields == ("config",)


def test_null_leaves_alone_so_clearing_sends_empty(place: str) -> None:
    with on(place):
        run = kept()
        run.group, run.tags = None, []
        run.summary.clear()
        with count_requests() as sent:
            run.save()
        assert variables(sent.requests[0]) == {"id": run.node_id, "groupName": "", "tags": [], "summaryMetrics": {}}
        again = kept()
        assert (again.group or None, again.tags, again.summary) == (None, [], {})
        assert run.dirty_fields == ()


RAW = (
    '{"_wandb":{"value":{"t":{"1":[1,2]},"cli_version":"0.31.0"}},"lr":{"value":0.1,"desc":"rate"},"bare":7,'
    '"big":{"value":123456789012345678901234567890},"wandb_version":1,"gone":{"desc":null,"value":[1.0]}}'
)


def test_the_raw_config_is_what_it_is_rebuilt_from() -> None:
    with on("fixtures") as session:
        run = kept()
        run._config_text = RAW  # as a server keeps it that was written by other clients
        assert run.config == {"lr": 0.1, "bare": 7, "big": 123456789012345678901234567890, "gone": [1.0]}
        run.config["lr"] = 0.2
        run.config["new"] = math.nan
        del run.config["gone"]
        with count_requests() as sent:
            run.save()
        text = sent.requests[0].variables["config"]
        assert text == (
            '{"_wandb":{"value":{"t":{"1":[1,2]},"cli_version":"0.31.0"}},"lr":{"value":0.2,"desc":"rate"},"bare":7,'
            '"big":{"value":123456789012345678901234567890},"wandb_version":1,"new":{"value":NaN}}'
        )
        assert run.raw_config["_wandb"]["value"]["cli_version"] == "0.31.0"
        again = kept()
        assert again.raw_config["_wandb"] == {"value": {"t": {"1": [1, 2]}, "cli_version": "0.31.0"}}
        assert again.raw_config["lr"] == {"desc": "rate", "value": 0.2}
        assert again.config["big"] == 123456789012345678901234567890
        assert math.isnan(again.config["new"])
        with pytest.raises(FieldError, match="is reserved"):
            run.config["_wandb"] = {}
            run.save()
        assert session.stats.requests > 0


def test_a_summary_keeps_the_spelling_of_what_did_not_change() -> None:
    with on("fixtures"):
        run = kept()
        run._summary_text = '{"text":"NaN","bare":NaN,"big":18446744073709551617,"n":{"x":"Infinity"}}'
        assert math.isnan(run.summary["text"])
        run.summary["new"] = -math.inf
        with count_requests() as sent:
            run.save()
        assert sent.requests[0].variables["summaryMetrics"] == (
            '{"text":"NaN","bare":NaN,"big":18446744073709551617,"n":{"x":"Infinity"},"new":-Infinity}'
        )


# -- update_fields ---------------------------------------------------------------------------------


def test_update_fields_keeps_to_those() -> None:
    with on("fixtures"):
        run = kept()
        run.group, run.notes = "new", "n"
        with count_requests() as sent:
            assert run.save(update_fields=["group", "display_name"]) == ("group",)
        assert set(sent.requests[0].variables) == {"id", "groupName"}
        assert run.dirty_fields == ("notes",)
        with assert_num_requests(0):
            assert run.save(update_fields=[]) == ()
            assert run.save(update_fields=("name",)) == ()


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["grp"], "did you mean 'group'"),
        (["state"], r"Run\.state cannot be saved: the run's own process"),
        (["project"], "no mutation"),
        (["files"], "has no field 'files'"),
        (["description"], "was neither loaded nor set"),
        ("group", r"write \['group'\]"),
        ([3], "names of fields, not 3"),
    ],
)
def test_bad_update_fields(names: Any, says: str) -> None:
    with on("fixtures"):
        run = kept()
        run.group = "new"
        with assert_num_requests(0), pytest.raises(FieldError, match=says):
            run.save(update_fields=names)
        assert run.dirty_fields == ("group",)


# -- what cannot be set ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "error", "says"),
    [
        ("state", "crashed", FieldError, "own process reports"),
        ("id", "x", FieldError, r"use create\(\) for a new run"),
        ("node_id", "x", FieldError, "no mutation"),
        ("created_at", None, FieldError, "no mutation"),
        ("project", "acme/nlp", FieldError, "no mutation"),
        ("files", [], AttributeError, "to-many relation"),
        ("path", "a/b/c", AttributeError, "path"),
        ("grup", "x", AttributeError, "did you mean 'group'"),
        ("tags", "good", FieldError, r"write \['good'\]"),
        ("tags", ["a", 1], FieldError, "1 is not text"),
        ("tags", None, FieldError, "list of text"),
        ("name", 3, FieldError, "text or None"),
        ("config", [1], FieldError, "takes a dict"),
        ("summary", None, FieldError, r"write \{\} to clear"),
    ],
)
def test_what_cannot_be_set_is_refused_at_once(name: str, value: Any, error: type[Exception], says: str) -> None:
    with on("fixtures"):
        run = kept()
        with assert_num_requests(0), pytest.raises(error, match=says):
            setattr(run, name, value)
        assert run.dirty_fields == ()


def test_what_json_cannot_hold_is_refused_before_anything_is_sent() -> None:
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    for value, says in [
        ({1, 2}, r"Run\.config\['a'\]\['b'\]\[1\] is \{1, 2\}, a set"),
        ({3: "x"}, "but JSON keys are text; write '3'"),
        (cycle, "contains itself"),
        (deep, "too deeply"),
        (object(), "which JSON cannot hold"),
        (b"x", "a bytes"),
    ]:
        with on("fixtures"):
            run = kept()
            run.config["a"] = {"b": [0, value]}
            assert run.dirty_fields == ("config",)
            with assert_num_requests(0), pytest.raises(FieldError, match=says):
                run.save()


def test_numbers_of_other_libraries_are_numbers() -> None:
    np = pytest.importorskip("numpy", reason="numpy is not installed")
    with on("fixtures"):
        run = kept()
        run.summary.update(a=np.float32(0.5), b=np.int64(2**40), c=np.array([1, 2]), d=np.bool_(True), e=np.float64(1))
        run.save()
        again = kept().summary
        assert [again[name] for name in "abcde"] == [0.5, 2**40, [1, 2], True, 1.0]


def test_an_appended_number_is_no_tag() -> None:
    with on("fixtures"):
        run = kept()
        run.tags.append(1)  # type: ignore[arg-type]
        with pytest.raises(FieldError, match="1 is not text"):
            run.save()
        run.tags[-1] = "first"
        assert run.dirty_fields == ()  # twice the same tag is one tag


# -- objects that were not loaded whole ------------------------------------------------------------


def test_fields_that_were_not_loaded() -> None:
    with on("fixtures"):
        run = Run.objects.only("name").get(id="r1")
        with pytest.raises(FieldNotLoaded, match="preserve W&B's own keys"):
            run.config = {"a": 1}
        run.notes, run.summary, run.tags = "n", {"only": 1}, ("b",)  # type: ignore[assignment]
        assert run.dirty_fields == ("summary", "tags", "notes")
        with pytest.raises(FieldError, match="set without being loaded"):
            run.save(check=True)
        run.save()
        again = kept()
        assert (again.notes, again.summary, again.tags) == ("n", {"only": 1}, ["b"])
        assert again.config == {"lr": 0.1, "model": {"depth": 1}}
        assert run.dirty_fields == ()


def test_an_object_known_by_its_key_is_looked_up() -> None:
    given = world()
    given["entities"]["acme"]["projects"]["vision"]["runs"][1]["sweep"] = "sw"
    with on("fixtures", given):
        sweep = kept().sweep
        assert sweep is not None
        sweep.name = "known by its key"
        with count_requests() as sent:
            sweep.save()
        assert len(sent) == 2
        assert Sweep.objects.get(id="sw").name == "known by its key"


def test_pickles_and_copies_carry_their_changes() -> None:
    with on("fixtures"):
        run = kept()
        run.group = "new"
        run.config["lr"] = 5
        for other in (pickle.loads(pickle.dumps(run)), copy.copy(run)):
            assert other.dirty_fields == ("config", "group")
        copied = copy.copy(run)
        copied.notes = "mine"
        assert "notes" not in run.dirty_fields
        copied.save()
        assert kept().notes == "mine"
        assert run.dirty_fields == ("config", "group")


def test_refresh_replaces_what_was_changed() -> None:
    with on("fixtures"):
        run = kept()
        run.group = "new"
        run.config["lr"] = 5
        run.tags.append("x")
        run.refresh()
        assert (run.dirty_fields, run.group, run.config["lr"], run.tags) == ((), "odd", 0.1, ["first"])


def test_a_subclass_may_have_attributes_of_its_own() -> None:
    class MyRun(Run):
        @property
        def lr(self) -> Any:
            return self.config["lr"]

        @lr.setter
        def lr(self, value: Any) -> None:
            self.config["lr"] = value

    with on("fixtures"):
        run = MyRun.objects.get(id="r1")
        assert type(run) is MyRun
        run.mine = 1  # type: ignore[attr-defined]
        run.lr = 9
        run.group = "g"
        with pytest.raises(FieldError):
            run.state = "x"
        assert run.save() == ("config", "group")
        assert kept().config["lr"] == 9


# -- failures --------------------------------------------------------------------------------------


def test_a_failed_save_leaves_everything_to_be_saved() -> None:
    errors: list[Any] = [ServerError("no"), (OutcomeUnknown("lost"),)]

    def mood(request: Request) -> Any:
        return errors.pop(0) if errors and request.operation_name == "UpsertBucket" else None

    with moody(world_from(world()).world, mood):
        run = kept()
        run.group = "new"
        run.config["lr"] = 5
        with pytest.raises(ServerError, match="no"):
            run.save()
        assert run.dirty_fields == ("config", "group")
        assert kept().group == "odd"
        with pytest.raises(OutcomeUnknown):
            run.save()
        assert run.dirty_fields == ("config", "group")
        assert kept().group == "new"
        assert run.save() == ("config", "group")
        assert run.dirty_fields == ()


def test_check_looks_before_it_writes(place: str) -> None:
    with on(place):
        mine, theirs = kept(), kept()
        theirs.config["lr"] = 7
        theirs.notes = "theirs"
        theirs.save()
        mine.group = "mine"
        with assert_num_requests(2):
            mine.save(check=True)  # another field: no conflict
        mine.config["model"] = 1
        mine.tags.append("t")
        with pytest.raises(ConflictError, match=r"since it was read: config\. Nothing was saved.*no compare-and-swap"):
            mine.save(check=True)
        assert mine.dirty_fields == ("config", "tags")
        assert kept().tags == ["first"]
        mine.save()  # without a look, the last one wins
        assert kept().config == {"lr": 0.1, "model": 1}
        assert kept().notes == "theirs"


def test_check_takes_over_what_wandb_keeps_beside() -> None:
    with on("fixtures") as session:
        mine = kept()
        session.execute(
            "mutation($id: String, $c: JSONString) { upsertBucket(input: {id: $id, config: $c}) { bucket { id } } }",
            {"id": mine.node_id, "c": '{"lr":{"value":0.1},"model":{"value":{"depth":1}},"_wandb":{"value":{"t":1}}}'},
        )
        mine.config["lr"] = 2
        mine.save(check=True)
        assert kept().raw_config["_wandb"] == {"value": {"t": 1}}


def test_a_backend_that_only_reads() -> None:
    from tests.support.backends import served

    with served(world_from(world()).world, "weak"):
        run = kept()
        run.group = "x"
        for call in (run.save, run.delete, lambda: Run.objects.create(name="x"), Run.objects.filter(id="r1").delete):
            with pytest.raises(NotSupported, match="'writable' is off"):
                call()
        with pytest.raises(NotSupported, match="'writable' is off"):
            Run.objects.update(group="x")
        assert run.dirty_fields == ("group",)


def test_delete_with_and_without_artifacts() -> None:
    from tests.support.worlds import make_world

    for flag, left in ((False, 3), (True, 2)):
        with moody(make_world().store()):
            run = Run.objects.get(id="v00")
            with count_requests() as sent:
                run.delete(delete_artifacts=flag)
            assert ("deleteArtifacts" in sent.requests[0].variables) is flag
            project = Project.objects.get(name="vision", entity="acme")
            held = [item for kind in project.artifact_types for item in kind.collections]
            assert sum(item.artifacts.count() for item in held) == left
            assert run.name is not None  # what was loaded stays
            assert not Run.objects.filter(project=HOME, id="v00").exists()
