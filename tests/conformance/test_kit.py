"""The kit is complete: whatever is registered or declared has a case, and whatever has none says why."""

from __future__ import annotations

import ast
import inspect
import os
import re
import sys
from pathlib import Path

import attrs
import pytest

import wbmodel.testing.conformance as kit
from tests.conformance.backends import Alternating, engine
from tests.support.backends import EngineBackend
from wbmodel.backend import Capabilities
from wbmodel.engine.schema import executable_schema
from wbmodel.errors import ConfigurationError
from wbmodel.hookspecs import HOOKS
from wbmodel.meta import Kind, all_entities
from wbmodel.query.lookups import LOOKUPS, add_lookup
from wbmodel.request import Request, Response
from wbmodel.testing import oracle
from wbmodel.testing.conformance import all_cases, check, find_cases, lookups, orders, relations, rows
from wbmodel.testing.conformance.backend_tests import BackendTests
from wbmodel.testing.conformance.cases import COLOURS, cases_of
from wbmodel.testing.conformance.flags import FLAGS
from wbmodel.testing.conformance.promises import UNTOLD

OURS = {name: meta for name, meta in all_entities().items() if meta.cls.__module__.startswith("wbmodel.")}
IDS = [case.id for case in all_cases()]
CORE = [case.id for case in all_cases(full=False)]


def test_ids_are_unique_and_can_be_chosen_by_k() -> None:
    assert len(set(IDS)) == len(IDS)
    assert [name for name in IDS if not re.fullmatch(r"[\w.+/-]+", name)] == []
    assert all(case.about.endswith(".") and len(case.about) > 15 for case in all_cases())


# -- lookups ---------------------------------------------------------------------------------------


def lookups_without_a_case(ids: list[str]) -> list[str]:
    asked = {name.split("/")[1] for name in ids if name.startswith("lookup/")}
    return [name for name, entry in LOOKUPS.items() if entry.rewrite is None and name not in asked]


def test_every_lookup_has_a_case_and_a_meaning() -> None:
    assert lookups_without_a_case(IDS) == []
    assert lookups_without_a_case(CORE) == []
    assert [name for name, entry in LOOKUPS.items() if entry.rewrite is None and name not in oracle.LOOKUPS] == []


def test_a_lookup_without_a_case_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOOKUPS, "resembles", attrs.evolve(LOOKUPS["exact"], name="resembles"))
    assert lookups_without_a_case(IDS) == ["resembles"]
    monkeypatch.delitem(LOOKUPS, "resembles")
    add_lookup("resembles", lambda path, value: path == value, "resembles")
    try:
        assert lookups_without_a_case(IDS) == [], "a plugin's lookup is its author's to test"
    finally:
        del LOOKUPS["resembles"]


def test_every_lookup_is_asked_with_every_type_of_operand_it_takes() -> None:
    asked = {tuple(name.split("/")[1:3]) for name in IDS if name.startswith("lookup/") and name.count("/") > 2}
    for lookup in ("exact", "ne", "contains"):
        for operand in ("null", "bool", "number", "infinite", "text", "list", "object"):
            assert (lookup, operand) in asked
    for lookup in ("gt", "gte", "lt", "lte"):
        assert {operand for name, operand in asked if name == lookup} == {
            "number",
            "infinite",
            "text",
            "time",
            "days",
        }
    for lookup in ("in", "nin"):
        assert {operand for name, operand in asked if name == lookup} >= {"numbers", "texts", "mixed", "times"}
    assert {operand for name, operand in asked if name == "range"} == {"numbers", "texts", "times"}
    assert ("date", "days") in asked
    assert ("within", "spans") in asked


def test_every_lookup_is_negated_on_every_subject() -> None:
    plain = {name for name in IDS if name.startswith("lookup/") and name.count("/") == 3}
    assert len(plain) > 1500
    assert {f"{name}/not" for name in plain} <= set(IDS)


def test_the_values_that_lookups_meet_are_of_every_kind() -> None:
    values = [row["summary"].get("every", oracle.ABSENT) for row in kit.make_world().rows("Run")]
    kinds = {"absent" if value is oracle.ABSENT else type(value).__name__ for value in values}
    assert kinds == {"absent", "NoneType", "int", "float", "bool", "str", "list", "dict"}
    assert any(isinstance(value, float) and value != value for value in values)
    assert float("inf") in values
    assert float("-inf") in values


def test_every_field_that_a_server_filters_is_a_subject() -> None:
    known = {(item.entity, item.path[0]) for item in lookups.SUBJECTS}
    unasked = {
        (name, field.name)
        for name, meta in OURS.items()
        for field in meta.fields.values()
        if (field.filter_path is not None or field.filters) and field.name not in meta.options.scopes
    } - known
    assert unasked == {("Artifact", "digest"), ("Report", "updated_at")}, (
        "both are the server's own, see rows.UNCHECKED"
    )


def test_every_kind_of_field_is_a_subject() -> None:
    asked = {OURS[item.entity].fields[item.path[0]].kind for item in lookups.SUBJECTS}
    assert set(Kind) - asked == {Kind.ID, Kind.VALUE}, "opaque ids are the server's, and history_keys is in its shape"


# -- orders, rows, relations -----------------------------------------------------------------------


def test_every_field_that_a_server_orders_by_has_a_case() -> None:
    known = {(name, path[0]) for name, _, path in orders.SUBJECTS}
    unasked = {
        (name, field.name)
        for name, meta in OURS.items()
        for field in meta.fields.values()
        if field.order_key is not None
    } - known
    assert unasked == {("Report", "updated_at")}


def test_every_field_is_compared_or_it_is_said_why_not() -> None:
    told = rows.UNCHECKED["*"]
    for name, meta in OURS.items():
        for field in meta.fields.values():
            has_case = f"row/{name}.{field.name}" in IDS
            reason = rows.UNCHECKED.get(name, {}).get(field.name) or told.get(field.name)
            assert has_case or (reason is not None and len(reason) > 5), f"{name}.{field.name}"
    for name, reasons in rows.UNCHECKED.items():
        for field in reasons:
            homes = OURS.values() if name == "*" else [OURS[name]]
            assert any(field in meta.fields for meta in homes), f"{name}.{field} is not a field any more"


def test_every_relation_has_its_cases() -> None:
    for name, meta in OURS.items():
        for field in meta.fields.values():
            if field.kind is Kind.REF and not field.through:  # known only from where the query went
                assert f"relation/one/{name}.{field.name}" in IDS
                loaded = "prefetch" if field.by_key else "related"
                assert f"relation/{loaded}/{name}.{field.name}" in IDS
        for many in meta.to_many:
            assert f"relation/many/{name}.{many}" in IDS
            assert f"relation/prefetch/{name}.{many}" in IDS
    assert set(relations.ONE) <= {(name, field) for name, meta in OURS.items() for field in meta.fields}
    assert set(relations.MANY) == {(name, many) for name, meta in OURS.items() for many in meta.to_many}


# -- capabilities, hooks, mutations ----------------------------------------------------------------


def test_every_capability_is_held_against_the_truth_both_ways() -> None:
    names = [item.name for item in attrs.fields(Capabilities)]
    assert list(FLAGS) == names
    for name in names:
        assert f"flag/{name}/kept" in IDS
        assert (f"flag/{name}/unclaimed" in IDS) != (len(UNTOLD.get(name, "")) > 10), name


def test_every_hook_has_a_case() -> None:
    assert [name for name in HOOKS if f"hook/{name}" not in IDS] == []


def test_every_mutation_of_the_schema_has_a_case() -> None:
    mutation = executable_schema().mutation_type
    assert mutation is not None
    asked = {name.split("/")[1] for name in IDS if name.startswith("mutation/")}
    assert [name for name in mutation.fields if name not in asked] == []


def test_every_paged_connection_below_a_project_is_walked() -> None:
    from wbmodel.testing.conformance.pages import CONNECTIONS

    schema = executable_schema()
    walked = set(CONNECTIONS) | {"Project.runs"}
    for name in ("Project", "Run", "Artifact", "ArtifactType"):
        for field, described in schema.type_map[name].fields.items():
            if {"first", "after"} <= described.args.keys() and f"{name}.{field}" not in walked:
                left_out = {"Run.logLines", "ArtifactType.artifactSequences", "Project.fields"}
                assert f"{name}.{field}" in left_out, f"{name}.{field} is neither walked nor left out on purpose"


# -- the kit itself --------------------------------------------------------------------------------


def test_every_test_of_the_kit_asks_cases_with_values_for_all_its_arguments() -> None:
    tests = {name: getattr(kit.Conformance, name) for name in dir(kit.Conformance) if name.startswith("test_")}
    assert sorted(name for name, test in tests.items() if not cases_of(test)) == ["test_declarations", "test_world"]
    for name, test in tests.items():
        arguments = list(inspect.signature(test).parameters)[2:]
        assert all(list(case.values) == arguments for case in cases_of(test)), name


def test_a_group_of_cases_is_a_class_of_its_own() -> None:
    groups = [base for base in kit.Conformance.__mro__[1:] if issubclass(base, BackendTests)]
    assert sum(len(group.every_case()) for group in groups) == len(IDS)


def test_find_cases() -> None:
    assert [case.id for case in find_cases(["page/first"])] == ["page/first"]
    assert {case.id.split("/")[0] for case in find_cases(["hook/*", "row/identity"])} == {"hook", "row"}
    assert len(find_cases()) == len(CORE) < len(find_cases(full=True)) == len(IDS)
    with pytest.raises(ConfigurationError, match="'page/frist' fits no conformance case; did you mean 'page/first'"):
        find_cases(["page/frist"])


def test_check_in_a_running_event_loop() -> None:
    """A notebook has one."""
    import asyncio

    async def main() -> kit.Report:
        return check("fixtures:", only=["document/loops", "row/Run.config"])

    report = asyncio.run(main())
    assert [item.result for item in report.outcomes] == ["passed"] * 4
    assert str(report) == "4 passed"


def test_check_reads_no_configuration_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n", encoding="utf-8")
    (tmp_path / "conftest.py").write_text("raise SystemExit('read')\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin")
    modules, environ = set(sys.modules), dict(os.environ)
    assert str(check("fixtures:", only="page/first")) == "2 passed"
    assert {name for name in set(sys.modules) - modules if not name.startswith(("wbmodel", "_pytest"))} == set()
    assert dict(os.environ) == environ
    assert sorted(path.name for path in tmp_path.iterdir()) == ["conftest.py", "pytest.ini"]
    assert capfd.readouterr() == ("", "")


def test_check_never_reports_what_it_could_not_ask() -> None:
    with pytest.raises(ConfigurationError, match=r"colours is \['red'\]; it names sync or async"):
        check("fixtures:", only="page/first", colours=["red"])
    with pytest.raises(ConfigurationError, match="backend is 7; it is a URL"):
        check(7, only="page/first")  # type: ignore[arg-type]

    class Untidy(kit.FixturesSeed):
        def clear(self, world: kit.World) -> None:
            raise RuntimeError("it cannot be cleared")

    with pytest.raises(RuntimeError, match="it cannot be cleared"):
        check("fixtures:", only="page/first", seed=Untidy())


def test_check_can_be_interrupted() -> None:
    class Interrupted(EngineBackend):
        def execute(self, request: Request, *, timeout: float | None = None) -> Response:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(lambda world: engine(world, cls=Interrupted), only="page/first")


def test_each_case_is_quick_in_one_colour_and_elsewhere_in_the_other() -> None:
    class Even(Alternating):
        backend = "fixtures:"

    class Odd(Even):
        phase = 1

    def quick(cls: type[Alternating], case: kit.Case) -> list[str]:
        return [colour for colour in COLOURS if "slow" not in {mark.name for mark in cls.marks(case, colour)}]

    cases = all_cases()
    assert all(sorted(quick(Even, case) + quick(Odd, case)) == ["async", "sync"] for case in cases)
    assert all(len(quick(Even, case)) == 1 for case in cases)
    in_sync = sum(quick(Even, case) == ["sync"] for case in cases)
    assert 0.45 < in_sync / len(cases) < 0.55

    class Fourth(Odd):
        share = 4

    lookups = [case for case in cases if case.id.startswith("lookup/")]
    assert all(quick(Fourth, case) in ([], quick(Odd, case)) for case in lookups)
    assert 0.2 < sum(quick(Fourth, case) != [] for case in lookups) / len(lookups) < 0.3
    assert all(quick(Fourth, case) == quick(Odd, case) for case in cases if case not in lookups)


def test_a_bench_closes_what_it_opens() -> None:
    from wbmodel.session.current import connections

    before = set(connections)
    check("fixtures:", only=["row/identity", "hook/*"])
    assert set(connections) == before


def test_the_oracle_imports_nothing_of_wbmodel() -> None:
    assert oracle.__file__ is not None
    tree = ast.parse(Path(oracle.__file__).read_text(encoding="utf-8"))
    names = [
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [item.name for item in node.names])
    ]
    assert [name for name in names if name and name.startswith("wbmodel")] == []


def test_public_names_have_docstrings() -> None:
    for name in kit.__all__:
        assert getattr(kit, name).__doc__, name
