"""The generated pages are current and complete: every public thing has its entry, found by walking over the code."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import attrs
import pytest

import wbmodel
from tools import make_docs
from tools.docs_markdown import function_of, headings, markdown, public_methods, signature
from tools.make_docs import FOLDER, PAGES, WITH_ROWS, render, with_rows
from tools.reference_code import FOR_DRIVERS, error_classes, evaluation_table, variables_read
from tools.reference_declared import lookup_condition
from wbmodel import api, hookspecs
from wbmodel.api.attrs import Attrs
from wbmodel.api.paginator import Paginator
from wbmodel.backend import Backend, Capabilities
from wbmodel.errors import ConfigurationError
from wbmodel.meta import all_entities
from wbmodel.objects.queryset import QuerySet
from wbmodel.query.lookups import LOOKUPS
from wbmodel.session.session import Session
from wbmodel.session.settings import resolve_settings


def page(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def titles(name: str) -> set[str]:
    return {text for _, text in headings(page(name))}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_current(name: str) -> None:
    assert page(name) == render(name), f"docs/reference/{name}: run `make docs`"


@pytest.mark.parametrize("file", WITH_ROWS, ids=lambda file: file.name)
def test_the_table_of_rows_is_current(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text == with_rows(text), f"{file.name}: run `make docs`"


def test_a_table_of_rows_needs_its_marks() -> None:
    with pytest.raises(LookupError, match="0 times"):
        with_rows("no marks")


def test_check_fails_for_a_page_that_is_not_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make_docs, "FOLDER", tmp_path)
    for name in PAGES:
        (tmp_path / name).write_text(render(name), encoding="utf-8")
    assert make_docs.stale() == {}
    (tmp_path / "lookups.md").write_text("old", encoding="utf-8")
    (tmp_path / "hooks.md").unlink()
    assert sorted(file.name for file in make_docs.stale()) == ["hooks.md", "lookups.md"]
    assert make_docs.main(["--check"]) == 1
    assert "lookups.md is not current" in capsys.readouterr().err
    assert (tmp_path / "lookups.md").read_text(encoding="utf-8") == "old"


def test_every_public_name_has_its_entry() -> None:
    text = page("api.md")
    for name in wbmodel.__all__:
        assert f"[`{name}`](" in text, name


def test_every_queryset_method_has_its_entry() -> None:
    text, known = page("querysets.md"), titles("querysets.md")
    methods = public_methods(QuerySet, inherited=True)
    assert len(methods) > 40
    for name, item in methods.items():
        if name.startswith("a") and name[1:] in methods:
            assert f"Twin: `{name}`." in text, name
            continue
        assert name in known, name
        function = function_of(item)
        assert inspect.getdoc(function), f"{name} has no docstring"
        if not isinstance(item, property):
            assert f"`{signature(function, name)}`" in text, name


def test_every_hook_has_its_exact_signature() -> None:
    text, known = page("hooks.md"), titles("hooks.md")
    assert set(hookspecs.HOOKS) <= known
    for name in hookspecs.HOOKS:
        function = getattr(hookspecs, name)
        parameters = ", ".join(
            f"{item.name}: {item.annotation}" for item in inspect.signature(function).parameters.values()
        )
        assert f"`{name}({parameters}) -> None`" in text
    for name in hookspecs.__all__:
        if name not in ("GROUP", "HOOKS", "hookimpl", "hookspec"):
            assert name in known, name


def test_every_lookup_has_its_entry_and_its_example_is_about_itself() -> None:
    text = page("lookups.md")
    for name, entry in LOOKUPS.items():
        if entry.rewrite is not None:
            continue
        assert text.count(f"\n| `{name}` |") == 2, name
        (term,) = lookup_condition(entry).children
        assert isinstance(term.path, str)  # type: ignore[union-attr]
        assert name == "exact" or term.path.endswith(f"__{name}"), name  # type: ignore[union-attr]


def test_every_capability_and_door_has_its_entry() -> None:
    text = page("capabilities.md")
    for item in attrs.fields(Capabilities):
        assert f"\n| `{item.name}` |" in text
        assert Capabilities.doc(item.name).rstrip(".") in text
    for name in vars(Backend):
        if not name.startswith("_"):
            assert f"`{name}(" in text or f"`async {name}(" in text or f"`{name}: " in text, name


def test_every_exception_has_its_entry() -> None:
    known = titles("errors.md")
    classes = error_classes()
    assert len(classes) > 20
    for cls in classes:
        assert cls.__name__ in known
        assert cls.__doc__
        assert markdown(cls.__doc__) in page("errors.md")


def test_every_entity_field_and_alias_has_its_entry() -> None:
    entities, aliases = page("entities.md"), page("aliases.md")
    for name, meta in all_entities().items():
        if not meta.cls.__module__.startswith("wbmodel."):
            continue
        section = entities.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        for item in meta.fields.values():
            assert f"\n| `{item.name}` |" in section, f"{name}.{item.name}"
            for alias in item.aliases:
                assert f"`{alias}`" in aliases, f"{name}.{alias}"
        for many in meta.to_many:
            assert f"\n| `{many}` |" in section, f"{name}.{many}"
        for scope in meta.options.scopes:
            assert f"`{scope}` (" in section, f"{name}.{scope}"
        for label, item in vars(meta.cls).items():
            if isinstance(item, property) and not label.startswith("_"):
                assert f"\n| `{label}: " in section, f"{name}.{label}"


def rows(text: str, heading: str) -> set[str]:
    """The first cells of the first table below a heading, without the head."""
    lines = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0].splitlines()
    return {line.split("`")[1] for line in lines if line.startswith("| `")}


def test_every_setting_and_variable_has_its_entry() -> None:
    text = page("settings.md")
    assert rows(text, "Settings") == set(resolve_settings("fixtures:x", environ={}).table())
    assert rows(text, "Environment variables") == variables_read()
    for name in ("connect", "current_session", "get_session", "connections", "Session"):
        assert name in titles("settings.md")


def test_settings_come_from_where_the_table_says() -> None:
    everything = {
        "WBMODEL_URL": "fixtures:one",
        "WANDB_BASE_URL": "fixtures:two",
        "WANDB_API_KEY": "k" * 40,
        "WANDB_ENTITY": "env-entity",
        "WANDB_PROJECT": "env-project",
    }
    table = resolve_settings(environ=everything).table()
    assert {name: source for name, (_, source) in table.items()} == {
        "url": "WBMODEL_URL",
        "entity": "WANDB_ENTITY",
        "project": "WANDB_PROJECT",
        "timeout": "default",
        "api_key": "WANDB_API_KEY",
        "identity_token_file": "default",
        "cache_dir": "default",
        "trace": "default",
        "otel": "default",
    }
    del everything["WBMODEL_URL"]
    assert resolve_settings(environ=everything).url.source == "WANDB_BASE_URL"
    del everything["WANDB_BASE_URL"]
    assert resolve_settings(environ=everything).url.value == "https://api.wandb.ai"
    given = resolve_settings("fixtures:x", project="me/p", timeout=1.0, api_key="a" * 40, environ=everything)
    elsewhere = {"cache_dir", "identity_token_file", "trace", "otel"}
    assert {source for name, (_, source) in given.table().items() if name not in elsewhere} == {"argument"}
    variables = {"WANDB_IDENTITY_TOKEN_FILE": "t", "WBMODEL_CACHE_DIR": "c", "WBMODEL_TRACE": "1", "WBMODEL_OTEL": "1"}
    said = resolve_settings("fixtures:x", environ=variables).table()
    assert {said[name][1] for name in elsewhere} == set(variables)
    with pytest.raises(ConfigurationError):
        resolve_settings(environ={})


def test_every_session_member_is_there_or_is_for_drivers() -> None:
    text = page("settings.md")
    methods = public_methods(Session)
    for name in methods:
        if name in FOR_DRIVERS:
            continue
        base = name[1:] if name.startswith("a") and name[1:] in methods else name
        assert f"| `{base}` |" in text or f"| `{base}(" in text, name


def test_every_row_of_the_evaluation_table_has_its_entry() -> None:
    text = page("evaluation.md")
    described = evaluation_table()
    assert len(described) >= 10
    for name, code, cold, warm, _ in described:
        assert f"| {name} | `{code}` | {cold} | {warm} |".replace("\n", " ") in text.replace("\\|", "|")


def test_the_engine_page_holds_every_record_and_every_method_of_a_store() -> None:
    from tools.reference_engine import records
    from wbmodel.engine import MemoryStore

    text = page("engine.md")
    assert {item.__name__ for item in records()} >= {"RunRecord", "ProjectRecord", "FileRecord", "ArtifactRecord"}
    for item in records():
        assert f"### {item.__name__}\n" in text
    for name in public_methods(MemoryStore, inherited=True):
        assert f"### MemoryStore.{name}\n" in text
    assert "### WritableStore" in text


def test_every_member_of_the_facade_has_its_entry() -> None:
    page = (FOLDER / "wandb-api.md").read_text(encoding="utf-8")
    parts = {part.partition("\n")[0]: part for part in page.split("\n## ")}
    # Before the classes, the page says what all lists have; what all objects have comes from wandb.Api's Attrs.
    common = {*public_methods(Attrs, inherited=True)} | {
        name for name in public_methods(Paginator, inherited=True) if f"| `{name}" in page.partition("\n## Api\n")[0]
    }
    missing = [
        f"{name}.{member}"
        for name in api.__all__
        if not issubclass(cls := getattr(api, name), Exception)
        for member in public_methods(cls, inherited=True)
        if member not in common and not re.search(rf"\| `{member}\b", parts[name])
    ]
    assert not missing
