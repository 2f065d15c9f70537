"""The matrix of cases and operations, in both colours, over real sockets.

Each case is a test; its cells run side by side, each against a server of its own, because most of a cell's time is
waiting. What all cells must hold is in ``check``; what a single one must is data, in ``forecast.py``.
"""

from __future__ import annotations

import base64
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from tests.faults.answer_cases import OTHER_KEY, WRONG_KEY
from tests.faults.cases import CASES, Expect, FaultCase
from tests.faults.network_cases import PASSWORD
from tests.faults.runner import IDS, KEY, OPERATIONS, PAGE, RUNS, Cell, Outcome, Scene, each_cell, run_cell
from tests.support import depth
from tests.support.pace import stretch
from tests.support.servers import Ground
from wbmodel.errors import DoesNotExist, ServerError, WbmodelError

LATE = 2.0
"""Seconds by which an error may come after its deadline, on a quiet machine: for threads that wait for their turn. What
would go wrong is that the stall is waited for, which is far longer."""

GOOD = {"get": 1 / 6, "count": RUNS, "create run": "made", "update": ("notes",), "delete": None, "create sweep": "grid"}


def _basic(key: str) -> str:
    return base64.b64encode(f"api:{key}".encode()).decode()


SECRETS = [KEY, OTHER_KEY, WRONG_KEY, PASSWORD, *map(_basic, (KEY, OTHER_KEY, WRONG_KEY))]


class Listener(logging.Handler):
    """Everything that is logged, of any level."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.pauses: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = f"{self.format(record)} {record.args!r}"
        self.lines.append(line)
        if record.name == "wbmodel.live" and "pausing" in line:
            self.pauses.append(str(record.args[0]) if isinstance(record.args, tuple) else "")


@pytest.fixture
def heard() -> Iterator[Listener]:
    """What is logged during the test."""
    listener, root = Listener(), logging.getLogger()
    before = root.level
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    yield listener
    root.setLevel(before)
    root.removeHandler(listener)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    _without_proxies(monkeypatch)


def _without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own proxies and authorities are not those of the tests."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)


@pytest.fixture(scope="module", autouse=True)
def _warm(ground: Ground) -> None:
    """Every cell once in fair case, one after the other: what a process does the first time (imports, parsing the
    schema) is not what the deadlines of the first case measure. pytest rewrites modules as they are imported, and
    CPython 3.11 fails in ast.parse where two threads do that at once."""
    with pytest.MonkeyPatch.context() as patch:
        _without_proxies(patch)
        outcomes = [run_cell(ground, cell, lambda scene: None, stretch()) for cell in each_cell(OPERATIONS)]
    assert [outcome.error for outcome in outcomes] == [None] * len(outcomes)


def run_side_by_side(ground: Ground, cells: list[Cell], setup: Callable[[Scene], None]) -> list[Outcome]:
    # The requests in front of a fault must fit into the deadline, however little of a processor there is for them.
    pace = stretch()
    with ThreadPoolExecutor(len(cells)) as pool:
        return list(pool.map(lambda cell: run_cell(ground, cell, setup, pace), cells))


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, ground: Ground, heard: Listener, table: dict[str, dict[str, str]]) -> None:
    case = CASES[name]
    missing = case.needs()
    if missing:
        pytest.skip(f"this takes {missing}")
    operations = {
        label: operation
        for label, operation in OPERATIONS.items()
        if (case.pages or not operation.after) and case.of(operation) is not None
    }
    cells = list(each_cell(operations))
    if depth.quick:  # each operation in one colour, in turns; both with the slow tests
        first = [*CASES].index(name)
        cells = [pair[(first + place) % 2] for place, pair in enumerate(zip(cells[::2], cells[1::2], strict=True))]
    outcomes = run_side_by_side(ground, cells, case.setup)
    row = table.setdefault(name, {})
    wrong: list[str] = []
    for cell, outcome in zip(cells, outcomes, strict=True):
        label = cell.operation.label
        row[label] = outcome.text if row.get(label, outcome.text) == outcome.text else f"{row[label]} / {outcome.text}"
        try:
            check(case, cell, outcome, heard)
        except Exception as error:
            ours = outcome.error is None or isinstance(outcome.error, WbmodelError)
            told = "" if ours else "".join(traceback.format_exception(outcome.error))
            problem = str(error).partition("\nassert")[0] or repr(error)
            wrong.append(f"{label}, {cell.colour}: {type(error).__name__}: {problem} of {outcome.error!r}\n{told}")
    assert not wrong, "\n\n".join(wrong)
    leaks = [line for line in heard.lines if any(secret in line for secret in SECRETS)]
    assert leaks == []


def check(case: FaultCase, cell: Cell, outcome: Outcome, heard: Listener) -> None:
    """Hold one cell against what is expected of it."""
    expect, error = case.of(cell.operation), outcome.error
    assert expect is not None
    lowest, highest = expect.tries
    ways = expect.ways(cell.operation)
    tries = outcome.stats["retries"] + 1
    most = highest if expect.error is None else highest * ways
    assert lowest <= tries <= most, f"{tries} tries, expected {expect.tries}: {error!r}"
    if expect.error is None:
        assert error is None, f"{error!r}"
        check_value(cell, outcome)
    else:
        assert type(error) is expect.error, f"{error!r}, expected {expect.error.__name__}"
        check_error(case, cell, outcome, expect, tries)
    # In time.
    deadline = float(outcome.scene.options["timeout"]) * (2 if expect.smaller and ways > 1 else 1)
    assert outcome.seconds <= deadline + LATE * outcome.scene.pace, f"took {outcome.seconds:.2f} s of {deadline} s"
    check_effects(cell, outcome, expect)
    check_stats(case, cell, outcome, expect, tries)
    if expect.pauses or (error is None and tries == 1):
        host = urlsplit(outcome.url)
        assert heard.pauses.count(f"{host.scheme}://{host.netloc}") == expect.pauses == outcome.stats["pauses"]
    for other in outcome.scene.others:
        assert other.stats.requests == 0, f"{list(other.seen)}"
    if "proxy" in outcome.scene.notes:
        proxy = outcome.scene.notes["proxy"]
        if error is None:
            assert proxy.served == [urlsplit(outcome.url).netloc]
        else:
            assert proxy.served == []
            assert len(outcome.seen) == 0


def check_value(cell: Cell, outcome: Outcome) -> None:
    """What came out is right: no row twice, none missing, all in order."""
    if cell.operation.name == "Runs":
        assert outcome.rows == IDS, f"rows {outcome.rows}"
    else:
        assert outcome.value == GOOD[cell.operation.label], f"{outcome.value!r}"


def check_error(case: FaultCase, cell: Cell, outcome: Outcome, expect: Expect, tries: int) -> None:
    """The error says what happened, and where, and what to do, and holds no secret."""
    error = outcome.error
    assert isinstance(error, WbmodelError)
    message = str(error)
    words = [*expect.words, *outcome.scene.notes.get("words", ()), urlsplit(outcome.url).netloc]
    again = expect.ways(cell.operation) > 1
    names = (cell.operation.name, "Runs") if again else (cell.operation.name,)
    if again and isinstance(error, ServerError):
        tries = error.attempts  # of the last way
    if expect.names:
        words.append(next((name for name in names if name in message), cell.operation.name))
        if tries > 1:
            words.append(f"{tries} attempts in ")
    missing = [word for word in words if word not in message]
    assert not missing, f"not in the message: {missing}"
    if isinstance(error, ServerError):
        assert error.operation in names
        assert error.attempts == tries
        if error.status not in (None, 200):
            assert f"HTTP {error.status}" in message or "redirects" in message
    assert len(message) < 900, f"{len(message)} characters"
    # Pages that were there before the trouble were handed out, but for a row that the next page may order otherwise.
    whole = PAGE * cell.operation.after
    assert outcome.rows == IDS[: len(outcome.rows)], f"rows {outcome.rows}"
    assert max(0, whole - 1) <= len(outcome.rows) <= whole, f"rows {outcome.rows}"
    # No secret, in no form, and none in what it was made of; it travels to another process as it is.
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == message
    assert vars(again).keys() == vars(error).keys()
    shown = [message, repr(error), repr(error.args), repr(vars(error)), pickle.dumps(error, 0).decode("latin-1")]
    shown.append("".join(traceback.format_exception(error)))
    shown += [text for item in _chain(error) for text in (str(item), repr(item), repr(item.args))]
    assert not [secret for secret in SECRETS for text in shown if secret in text]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was made of, as far as it is shown."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def check_effects(cell: Cell, outcome: Outcome, expect: Expect) -> None:
    """What the server did: nothing twice, nothing beside, and nothing that the error denies."""
    assert outcome.lost == set()
    assert outcome.effects <= 1, f"done {outcome.effects} times"
    if cell.operation.group == "read":
        assert outcome.executed == outcome.effects == 0
        return
    least, most = expect.done
    assert least <= outcome.executed <= most, f"carried out {outcome.executed} times, expected {expect.done}"
    if cell.operation.group == "once":
        assert outcome.executed <= 1
    if outcome.error is None:
        assert outcome.effects == 1


def check_stats(case: FaultCase, cell: Cell, outcome: Outcome, expect: Expect, tries: int) -> None:
    """The session counted what the server saw."""
    stats, operation = outcome.stats, cell.operation
    requests = operation.good if outcome.error is None else operation.after + 1
    # What is not there is explained by the account that asks, for which the server is asked once more.
    asked = isinstance(outcome.error, DoesNotExist)
    requests += asked
    # A page may have been asked for before the one in front of it was looked at; it is given up, perhaps unsent.
    ahead = expect.error is not None and not expect.failed and stats["requests"] == requests + 1 <= operation.good
    requests += ahead
    # A later page that is refused is asked for once more, without the condition that wbmodel added to it.
    back = operation.after > 0 and expect.error is not None and expect.failed and stats["errors"] == 2
    requests += back
    more = expect.ways(operation) - 1
    if more:
        assert requests <= stats["requests"] == stats["round_trips"] <= requests + more, f"{stats}"
        assert len(outcome.seen) <= stats["requests"] + stats["retries"]
        return
    assert stats["requests"] == stats["round_trips"] == requests, f"{stats}"
    assert stats["errors"] == (expect.error is not None and expect.failed) + back, f"{stats}"
    if case.reaches:
        assert 0 <= requests + tries - 1 - len(outcome.seen) <= ahead, f"{len(outcome.seen)} requests, {stats}"
        names = [operation.name] * (len(outcome.seen) - asked) + ["Viewer"] * asked
        # A server that refuses the key does not read which operation it was for.
        assert all(item.operation in (name, None) for item, name in zip(outcome.seen, names, strict=True))
    else:
        assert outcome.seen == []
    if outcome.error is None:
        assert stats["sent"] > 0
        assert stats["bytes"] > 0


def test_the_matrix_has_every_fault_of_the_issue() -> None:
    assert {operation.group for operation in OPERATIONS.values()} == {"read", "write", "once"}
    assert len(CASES) > 50
