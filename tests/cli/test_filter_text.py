"""The filter language: what each spelling means, where an error points, and that text and condition are the same."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.depth import deep
from tests.support.filter_text import render_filter
from wbmodel import F, Q, Run, connect
from wbmodel.cli.filter_text import SYMBOLS, FilterSyntaxError, parse_filter
from wbmodel.errors import FieldError
from wbmodel.query.lookups import LOOKUPS
from wbmodel.safe_text import escape

RUN = Run.__wbmodel_meta__


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[arg-type, misc]


MEANINGS = [
    ("state=finished", F.state == "finished"),
    ("state == finished", F.state == "finished"),
    ("state != crashed", F.state != "crashed"),
    ("summary.loss<0.3", F.summary["loss"] < 0.3),
    ("summary.loss<=1e-3", F.summary["loss"] <= 1e-3),
    ("summary.loss > -.5", F.summary["loss"] > -0.5),
    ("summary.n>=3", F.summary["n"] >= 3),
    ("summary.x=Infinity", F.summary["x"] == float("inf")),
    ("summary.x<-Infinity", F.summary["x"] < float("-inf")),
    ("config.x=true", F.config["x"] == True),  # noqa: E712
    ("config.x=True", F.config["x"] == "True"),
    ("config.x=null", F.config["x"] == None),  # noqa: E711
    ('config.x="null"', F.config["x"] == "null"),
    ("config.x=007", F.config["x"] == "007"),
    ("config.x=1.", F.config["x"] == 1.0),
    ("config.x=123456789012345678901", F.config["x"] == 123456789012345678901),
    ('config.x={"a": [1, null]}', F.config["x"] == {"a": [1, None]}),
    ("config.x=[1, two, 'three 3']", F.config["x"] == [1, "two", "three 3"]),
    ("name=7", F.name == "7"),
    ("group=null", F.group == None),  # noqa: E711
    ("name='it''s'", F.name == "it's"),
    ('name="a \\u00e9 \\" b"', F.name == 'a é " b'),
    ('name=""', F.name == ""),
    ("name=a,b", F.name == "a,b"),
    ("name~^vit-\\d+$", F.name.regex(r"^vit-\d+$")),
    ("name !~ old", ~F.name.regex("old")),
    ("name^=vit", F.name.startswith("vit")),
    ("name$=-3", F.name.endswith("-3")),
    ("name*=abl", F.name.contains("abl")),
    ("tags*=baseline", F.tags.contains("baseline")),
    ("config.dims*=3", F.config["dims"].contains(3)),
    ("config.lr in [0.1, 1]", F.config["lr"].in_([0.1, 1])),
    ("id in [1, 2,]", F.id.in_(["1", "2"])),
    ("config.o not in [adam, null]", F.config["o"].nin(["adam", None])),
    ("config.o in []", F.config["o"].in_([])),
    ("config.lr range [0, 1]", F.config["lr"].range(0, 1)),
    ("name icontains ViT", F.name.icontains("ViT")),
    ("group is null", F.group.isnull(True)),
    ("group is not null", F.group.isnull(False)),
    ("summary.loss is nan", F.summary["loss"].isnan(True)),
    ("summary.loss is not finite", F.summary["loss"].isfinite(False)),
    ("config.x exists", F.config["x"].exists(True)),
    ("config.x not exists", F.config["x"].exists(False)),
    ("created_at within 1d12h", F.created_at.within(timedelta(days=1, hours=12))),
    ("created_at within 1.5h", F.created_at.within(timedelta(minutes=90))),
    ("created_at = 2024-01-31", F.created_at.date(date(2024, 1, 31))),
    ("created_at != 2024-01-31", ~F.created_at.date(date(2024, 1, 31))),
    ("created_at > 2024-01-31", F.created_at >= at(2024, 2, 1)),
    ("created_at >= 2024-01-31", F.created_at >= at(2024, 1, 31)),
    ("created_at < 2024-01-31", F.created_at < at(2024, 1, 31)),
    ("created_at <= 2024-01-31", F.created_at < at(2024, 2, 1)),
    ("created_at > 2024-01-31T10:00:00Z", F.created_at > at(2024, 1, 31, 10)),
    ("config.x > 2024-01-31", F.config["x"] > "2024-01-31"),
    ('config."a.b"=1', F.config["a.b"] == 1),
    ('config."a b"."c=d"=1', F.config["a b"]["c=d"] == 1),
    ("summary.eval/acc>0.9", F.summary["eval/acc"] > 0.9),
    ("summary.a*b=1", F.summary["a*b"] == 1),
    ("summary.ключ=да", F.summary["ключ"] == "да"),
    ("summary__loss<1", F.summary["loss"] < 1),
    ("user=ada", F.user == "ada"),
    ("user.username=ada", F.user["username"] == "ada"),
    ("sweep=s1", F.sweep == "s1"),
]


@pytest.mark.parametrize(("text", "meant"), MEANINGS)
def test_a_term_means(text: str, meant: Q) -> None:
    assert parse_filter(text, RUN) == meant


def test_terms_are_joined_like_python_joins_them() -> None:
    a, b, c = F.state == "a", F.group == "b", F.name == "c"
    assert parse_filter("state=a or group=b and name=c", RUN) == a | (b & c)
    assert parse_filter("(state=a or group=b) and name=c", RUN) == (a | b) & c
    assert parse_filter("not state=a and group=b", RUN) == ~a & b
    assert parse_filter("NOT (state=a AND group=b) Or ((name=c))", RUN) == ~(a & b) | c
    assert parse_filter("not not state=a", RUN) == a


def test_without_an_entity_names_are_not_checked_and_words_are_read_by_their_looks() -> None:
    assert parse_filter("anything.at.all=7") == (F.anything["at"]["all"] == 7)
    assert parse_filter("created_at>2024-01-31") == (F.created_at > "2024-01-31")


def test_every_lookup_can_be_written() -> None:
    values = {
        "isnull": True,
        "exists": True,
        "isnan": True,
        "isfinite": True,
        "in": ["a"],
        "nin": ["a"],
        "range": (1, 2),
    }
    for name in LOOKUPS:
        path = F.created_at if name in ("date", "within") else F.config["k"]
        value = {"date": date(2024, 1, 2), "within": timedelta(days=3)}.get(name, values.get(name, "x"))
        condition = path.lookup(name, value)
        assert parse_filter(render_filter(condition), RUN) == condition, name
    assert set(SYMBOLS.values()) - {"not regex"} <= set(LOOKUPS)


ERRORS = [
    ("", 0, "the filter is empty"),
    ("   ", 3, "the filter is empty"),
    ("summary.loss", 12, "an operator and a value are missing"),
    ("summary.loss<", 13, "a value is missing"),
    ("summary.loss<>3", 13, "two operators"),
    ("summary.loss=<3", 13, "two operators"),
    ("sumary.loss<3", 0, "did you mean 'summary'"),
    ("state=a and sumary.loss<3", 12, "did you mean 'summary'"),
    ("state=a and", 11, "a condition is missing"),
    ("state=a or or group=b", 11, "missing before 'or'"),
    ("(state=a", 8, "a ')' is missing"),
    ("state=a)", 7, "has no matching '('"),
    ("state=a && group=b", 8, "join conditions with 'and' or 'or'"),
    ("state=a, group=b", 9, "expected 'and', 'or' or the end"),
    ("name=my run", 8, "quote a value with spaces"),
    ('name="my run', 5, "this quote is not closed"),
    ("name='my run", 5, "this quote is not closed"),
    ('config."a=1', 7, "this quote is not closed"),
    ("config..a=1", 7, "a key after the dot"),
    ("config.lr containz 3", 10, "did you mean 'contains'"),
    ("config.lr in 3", 13, "takes a list in brackets"),
    ("config.lr in [1, 2", 13, "this '[' is not closed"),
    ("config.lr in [1 2]", 16, "expected ',' or ']'"),
    ("config.lr is odd", 13, "finite after 'is'"),
    ("config.lr not like 3", 14, "'exists' after 'not'"),
    ("summary.loss=nan", 13, "is nan"),
    ("summary.loss=1e400", 13, "too large"),
    ("created_at>2024-13-01", 11, "is not a valid date"),
    ("created_at>2024-01-01T10:00", 11, "no time zone"),
    ("created_at within 7y", 18, "is not a duration"),
    ("created_at within 99999999999d", 18, "duration is too long"),
    ("-created_at=2024-01-01", 0, "a sign is allowed in an order"),
    ("name~(", 5, "expected a value"),
    ('name~"("', 5, "not a valid regular expression"),
    ("state<3 and tags<x", 17, "a list"),
    ("config.x={bad}", 10, "JSON"),
    ("config<1", 7, "name a key"),
    ("=3", 0, "the name of a field"),
]


@pytest.mark.parametrize(("text", "position", "words"), ERRORS)
def test_an_error_points_at_its_place(text: str, position: int, words: str) -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse_filter(text, RUN)
    assert words in caught.value.problem
    assert caught.value.position == position
    _, line, caret = str(caught.value).split("\n")
    assert (line, caret) == (f"  {text}", f"  {' ' * position}^")


def test_the_caret_stands_below_its_character_in_any_script() -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse_filter('name="実験" and oops=1', RUN)
    _, line, caret = str(caught.value).split("\n")
    # Two wide characters take four cells.
    assert caret.index("^") == line.index("oops") + 2


def test_of_a_long_filter_the_part_around_the_place_is_shown() -> None:
    text = " and ".join(["state=finished"] * 200) + " and oops=1" + " and state=finished" * 200
    with pytest.raises(FilterSyntaxError) as caught:
        parse_filter(text, RUN)
    _, line, caret = str(caught.value).split("\n")
    assert len(line) < 90
    assert line[caret.index("^") :].startswith("oops")


def test_control_characters_in_a_filter_do_not_reach_the_terminal() -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse_filter("name=\x1b[2J\u202e oops", RUN)
    assert "\x1b" not in str(caught.value)
    assert "\\x1b" in str(caught.value)
    assert "\u202e" not in str(caught.value)


def test_ten_thousand_terms_are_quick_and_deep_nesting_is_refused() -> None:
    started = time.thread_time()
    wide = parse_filter(" or ".join(f"config.lr={number}" for number in range(10_000)), RUN)
    assert len(wide.children) == 10_000
    assert time.thread_time() - started < 5
    for text in ("(" * 5000 + "state=a" + ")" * 5000, "not " * 5000 + "state=a", "config.x=" + "[" * 5000):
        with pytest.raises(FilterSyntaxError, match="nest"):
            parse_filter(text, RUN)
    with pytest.raises(FilterSyntaxError):
        parse_filter('config.x={"a":' * 20_000, RUN)


def test_what_has_no_text_says_so() -> None:
    for condition in (Q(), Q(state="a"), F.config["x"] == {1, object()}):
        with pytest.raises(FieldError):
            render_filter(condition)
    assert render_filter(Q(state="a", summary__loss__lt=1, project="a/b"), RUN) == (
        'state = "a" and summary.loss < 1 and project = "a/b"'
    )


# -- text and condition are the same ---------------------------------------------------------------

KEYS = st.text(min_size=0, max_size=6) | st.sampled_from(
    ["lr", "a.b", "not", "and", "in", "x=y", "eval/acc", '"', "'", "-"]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["null", "7", "2024-01-01", "a b", "]", "x)", "is", "\x1b[0m"])
)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=3), SCALARS, max_size=2)
MOMENTS = st.datetimes(timezones=st.just(timezone.utc))


@st.composite
def terms(draw: st.DrawFn) -> Q:
    path = draw(st.sampled_from([F.config, F.summary]))[draw(KEYS)]
    for key in draw(st.lists(KEYS, max_size=1)):
        path = path[key]
    kind = draw(st.integers(0, 7))
    if kind == 0:
        return path.lookup(draw(st.sampled_from(["exact", "ne"])), draw(VALUES))
    if kind == 1:
        number = draw(st.integers() | st.floats(allow_nan=False) | st.text(max_size=5))
        return path.lookup(draw(st.sampled_from(["lt", "lte", "gt", "gte"])), number)
    if kind == 2:
        return path.lookup(draw(st.sampled_from(["in", "nin"])), draw(st.lists(SCALARS, max_size=3)))
    if kind == 3:
        return path.lookup(draw(st.sampled_from(["isnull", "exists", "isnan", "isfinite"])), draw(st.booleans()))
    if kind == 4:
        names = ["icontains", "startswith", "endswith", "iexact", "contains"]
        return path.lookup(draw(st.sampled_from(names)), draw(st.text(max_size=5)))
    if kind == 5:
        return F.created_at.lookup(draw(st.sampled_from(["lt", "gte", "exact", "ne"])), draw(MOMENTS))
    if kind == 6:
        span = draw(st.timedeltas(timedelta(0), timedelta(days=3000)))
        return draw(st.sampled_from([F.created_at.within(span), F.created_at.date(draw(st.dates()))]))
    return draw(st.sampled_from([F.name == "x", F.tags.contains("b c"), F.user == "ada", F.group == None]))  # noqa: E711


CONDITIONS = st.recursive(
    terms(),
    lambda inner: (
        st.builds(lambda a, b: a & b, inner, inner)
        | st.builds(lambda a, b: a | b, inner, inner)
        | inner.map(lambda a: ~a)
    ),
    max_leaves=8,
)


@given(CONDITIONS)
@settings(max_examples=deep(150), deadline=None)
def test_rendered_and_parsed_a_condition_is_itself(condition: Q) -> None:
    text = render_filter(condition)
    assert parse_filter(text, RUN) == condition
    assert text == render_filter(parse_filter(text, RUN))


@given(st.text(max_size=30) | st.text(alphabet="ab.=<>!~*^$\"'[](){} ,nullotaisre0129-", max_size=30))
@settings(max_examples=deep(250), deadline=None)
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    try:
        parse_filter(text, RUN)
        return
    except FilterSyntaxError as error:
        refused = error
    assert 0 <= refused.position <= len(text)
    assert all(escape(line) == line for line in str(refused).split("\n")[1:])


def test_a_filter_finds_what_its_condition_finds() -> None:
    with connect("demo:", default=False) as session:
        runs = Run.objects.using(session)
        for text in (
            "summary.test_loss<0.3 and config.transformer.num_layers in [4, 5]",
            "created_at>2023-10-10 and (state=failed or summary.test_loss exists)",
            "not summary.test_loss is not null and name !~ ^0",
        ):
            condition = parse_filter(text, RUN)
            again = parse_filter(render_filter(condition), RUN)
            found = set(runs.filter(condition))
            assert found, text
            assert found == set(runs.filter(again))
            assert found | set(runs.exclude(condition)) == set(runs)
