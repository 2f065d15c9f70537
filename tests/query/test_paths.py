"""Both spellings of a path, resolved alike, with keys of every kind."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wbmodel import Artifact, F, Run
from wbmodel.errors import FieldError
from wbmodel.query.f import PathExpr
from wbmodel.query.paths import Path, resolve_expr, resolve_keyword, resolve_path
from wbmodel.query.spelling import split_dotted

META = Run.__wbmodel_meta__
KEYS = st.text(min_size=0, max_size=12) | st.sampled_from(
    [
        "a.b",
        "a/b",
        "a b",
        'q"q',
        "a__b",
        "__x",
        "x__",
        "__",
        ".",
        "..",
        '"',
        "\\",
        "-x",
        "+x",
        " x",
        "x ",
        "ключ",
        "a,b",
        "value",
        "gt",
        "𝔘",
    ]
)


def keys(path: Path) -> tuple[str, tuple[str, ...]]:
    return path.field.name, path.keys


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("summary.loss", ("summary", ("loss",))),
        ("summary_metrics.loss", ("summary", ("loss",))),
        ("summaryMetrics.loss", ("summary", ("loss",))),
        ("summary__loss", ("summary", ("loss",))),
        ("config.a.b", ("config", ("a", "b"))),
        ('config."a.b"', ("config", ("a.b",))),
        ('config."a.b".c', ("config", ("a.b", "c"))),
        ('config.""', ("config", ("",))),
        (r'config."a\"b"', ("config", ('a"b',))),
        ("summary.eval/acc", ("summary", ("eval/acc",))),
        ("summary.a b", ("summary", ("a b",))),
        ("config.ключ", ("config", ("ключ",))),
        ("created_at", ("created_at", ())),
        ("createdAt", ("created_at", ())),
        ("display_name", ("name", ())),
        ("summary___step", ("summary", ("_step",))),
        (F.summary["a.b"], ("summary", ("a.b",))),
        (F.config["a"]["b"], ("config", ("a", "b"))),
    ],
)
def test_paths_without_a_lookup(spelling: str | PathExpr, expected: tuple[str, tuple[str, ...]]) -> None:
    assert keys(resolve_path(META, spelling)) == expected


@pytest.mark.parametrize(
    ("keyword", "expected", "lookup"),
    [
        ("state", ("state", ()), "exact"),
        ("state__in", ("state", ()), "in"),
        ("summary__loss", ("summary", ("loss",)), "exact"),
        ("summary__loss__lt", ("summary", ("loss",)), "lt"),
        # The first part after a keyed field is always a key.
        ("summary__lt", ("summary", ("lt",)), "exact"),
        ("config__in__in", ("config", ("in",)), "in"),
        ("config__model__depth", ("config", ("model", "depth")), "exact"),
        ("config__model__depth__gte", ("config", ("model", "depth")), "gte"),
        ("config___wandb__x", ("config", ("_wandb", "x")), "exact"),
        ("summary___step__gt", ("summary", ("_step",)), "gt"),
        ("summary.loss", ("summary", ("loss",)), "exact"),
        ("summary.loss__lt", ("summary", ("loss",)), "lt"),
        ('config."a.b"', ("config", ("a.b",)), "exact"),
        ("created_at__gte", ("created_at", ()), "gte"),
        ("summary__eval/acc__gt", ("summary", ("eval/acc",)), "gt"),
    ],
)
def test_keywords(keyword: str, expected: tuple[str, tuple[str, ...]], lookup: str) -> None:
    path, found = resolve_keyword(META, keyword)
    assert (keys(path), found) == (expected, lookup)


def test_relations() -> None:
    path, lookup = resolve_keyword(META, "user__username__in")
    assert (path.dotted, lookup, path.leaf.name) == ("user.username", "in", "username")
    assert resolve_path(META, "sweep.id").dotted == "sweep.id"
    assert resolve_path(META, "sweep_name").dotted == "sweep"
    assert resolve_keyword(META, "sweep__isnull")[1] == "isnull"
    with pytest.raises(FieldError, match=r"these fields of Run\.user: username, name"):
        resolve_path(META, "user.email")
    with pytest.raises(FieldError, match="User has no field 'usernme'.*'username'"):
        resolve_path(META, "user.usernme")
    assert resolve_path(Artifact.__wbmodel_meta__, "collection.name").dotted == "collection.name"


@given(st.sampled_from(["config", "summary", "system_metrics"]), st.lists(KEYS, min_size=1, max_size=4))
@example("config", [""])
@example("summary", ['"'])
def test_any_key_survives_the_way_through_text(field: str, parts: list[str]) -> None:
    path = PathExpr(field, tuple(parts))
    text = path.dotted
    assert split_dotted(text) == ("", [field, *parts])
    assert keys(resolve_path(META, text)) == (field, tuple(parts))
    assert keys(resolve_expr(META, path)) == (field, tuple(parts))
    assert resolve_path(META, text).dotted == text
    assert F(text).same_as(path)


@given(st.lists(KEYS, min_size=1, max_size=3))
def test_any_key_survives_as_an_order_key(parts: list[str]) -> None:
    from wbmodel.query.order import parse_order

    path = PathExpr("summary", tuple(parts))
    for spelling in ("-" + path.dotted, -path):
        key = parse_order(META, spelling)
        assert key.descending
        assert keys(key.path) == ("summary", tuple(parts))


@pytest.mark.parametrize(
    ("spelling", "says"),
    [
        ("", "empty part"),
        (".", "empty part"),
        ("summary.", "empty part"),
        ("summary..loss", 'write an empty key as ""'),
        ('config."a', "quote .* is not closed"),
        ('config."a"b', "a dot or the end"),
        ("-summary.loss", "has a sign"),
        ("+state", "has a sign"),
        ("state.x", "has no keys inside"),
        ("sumary.loss", "did you mean 'summary'"),
        ("created", "did you mean .*'created_at'"),
        ("zzz", "config.zzz"),
    ],
)
def test_bad_paths(spelling: str, says: str) -> None:
    with pytest.raises(FieldError, match=says):
        resolve_path(META, spelling)


@pytest.mark.parametrize(
    ("keyword", "says"),
    [
        ("stat", "did you mean 'state'"),
        ("state__inn", "unknown lookup 'inn'"),
        ("state__is_null", "did you mean 'isnull'"),
        ("state__startswth", "did you mean 'startswith'"),
        ("summary__loss__eq", "did you mean 'exact'.*really called 'eq'"),
        ("summary__loss__contans", "did you mean 'contains'.*really called 'contans'"),
        ("created_at__year", "unknown lookup 'year'"),
        ("user__email__exact", "fields of Run.user: username, name"),
        ("run_set", "Run has no field 'run_set'"),
    ],
)
def test_bad_keywords(keyword: str, says: str) -> None:
    with pytest.raises(FieldError, match=says):
        resolve_keyword(META, keyword)


def test_what_is_no_path() -> None:
    with pytest.raises(FieldError, match="a path must be text or an F path"):
        resolve_path(META, 3)  # type: ignore[arg-type]
