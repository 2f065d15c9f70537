"""Faults in what a server answers: who may ask, what is not there, what is no answer, and too much to do."""

from __future__ import annotations

from tests.faults.cases import SHORT, TWICE, answers, case, fails, of_each, ok, options, plays, unknown
from tests.faults.runner import KEY, Scene
from wbmodel import Project, Run
from wbmodel.errors import NotAuthenticated, NotWandbServer, OutcomeUnknown, PermissionDenied, RateLimited, ServerError
from wbmodel.testing import Fault

__all__ = ["OTHER_KEY", "WRONG_KEY"]

OTHER_KEY = "fedcba9876543210fedcba9876543210fedcba98"
WRONG_KEY = "f" * 40
BUSY = {"errors": [{"message": "too many of you"}]}
PAGE = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"

case("none", options(), {"all": ok()})

# -- who asks --------------------------------------------------------------------------------------

_refused = ("rejected the login", "permission denied", "wbmodel status", "WANDB_API_KEY")
case(
    "wrong key",
    options(api_key=WRONG_KEY),
    {"all": fails(NotAuthenticated, *_refused)},
    pages=False,
)
case(
    "key of another server",
    options(api_key=OTHER_KEY),
    {"all": fails(NotAuthenticated, *_refused)},
    pages=False,
)
case(
    "no key",
    options(api_key=None),
    {"all": fails(NotAuthenticated, "rejected the login", "no API key was given", "netrc", "not logged in")},
    pages=False,
)
case(
    "403",
    plays(Fault(status=403, body={"errors": [{"message": "members only"}]}), None),
    {"all": fails(PermissionDenied, "denied access", "members only", "ask for access")},
)
case(
    "403, web page",
    plays(Fault.html(403, "<title>Blocked by the wall</title>"), None),
    {"all": fails(NotWandbServer, "as firewalls and proxies do", "Blocked by the wall", "check the address")},
)
case(
    "the key is quoted back",
    plays(Fault(status=500, body=f"no such key: {KEY}"), None, max_attempts=1),
    {"once": unknown("***"), "all": fails(ServerError, "HTTP 500", "no such key: ***")},
)

# -- what is asked for -----------------------------------------------------------------------------


def _gone(scene: Scene) -> None:
    project = scene.store.project("acme", "vision")
    assert project is not None
    run = scene.store.run(project, "r05")
    assert run is not None
    scene.notes["meanwhile"] = lambda: scene.store.delete(run.id)


case(
    "unknown entity",
    options(project="nobody/vision"),
    {
        "read": answers(Project.DoesNotExist, "'nobody/vision' does not exist", "check the spelling", names=False),
        "create run": answers(ServerError, "nobody", "UpsertBucket", done=1),
        "create sweep": answers(ServerError, "nobody", "UpsertSweep", done=1),
        "all": ok(),
    },
    pages=False,
)
case(
    "unknown project",
    options(project="acme/nothing"),
    {
        "read": answers(Project.DoesNotExist, "'acme/nothing' does not exist", "check the spelling", names=False),
        "create sweep": answers(ServerError, "nothing", "UpsertSweep", done=1),
        "create run": ok(),  # the project is made with its first run
        "all": ok(),
    },
    pages=False,
)
case(
    "unknown run",
    _gone,
    {
        "get": answers(Run.DoesNotExist, "r05", "may not see", names=False),
        "update": answers(Run.DoesNotExist, "acme/vision/r05", "is no longer on", "may not see", done=1, names=False),
        "delete": answers(Run.DoesNotExist, "acme/vision/r05", "is no longer on", "may not see", done=1, names=False),
        "list": None,
        "count": None,
        "all": ok(),
    },
    pages=False,
)

# -- answers that are none -------------------------------------------------------------------------

_address = ("this is not the API of a W&B server", "check the address")
case("web page", plays(Fault.html(), None), {"all": fails(NotWandbServer, "with a web page", "HTTP 200", *_address)})
case(
    "404, web page",
    plays(Fault.html(404), None),
    {"all": fails(NotWandbServer, "with a web page", "HTTP 404", *_address)},
)
case(
    "404, JSON",
    plays(Fault(status=404, body={"message": "no route"}), None),
    {"all": fails(NotWandbServer, "HTTP 404", "no route", *_address)},
)
case(
    "no body",
    plays(Fault(status=200, body=b"", content_type="text/plain"), None),
    {"all": fails(NotWandbServer, "HTTP 200", *_address)},
)
case(
    "204",
    plays(Fault(status=204, body=b"", content_type="text/plain"), None),
    {"all": fails(NotWandbServer, "HTTP 204", *_address)},
)
case(
    "no body, called JSON",
    plays(Fault(status=200, body=b""), None, **TWICE),
    {
        "once": unknown("truncated or garbled"),
        "all": fails(ServerError, "truncated or garbled JSON (0 bytes)", tries=2),
    },
)
case(
    "cut JSON, once",
    plays(Fault.truncated()),
    {"write": ok(2, done=2), "once": unknown("truncated or garbled", done=1), "all": ok(2)},
)
case(
    "cut JSON",
    plays(Fault.truncated(), None, **TWICE),
    {
        "write": fails(ServerError, "truncated or garbled", tries=2, done=2),
        "once": unknown("truncated or garbled", done=1),
        "all": fails(ServerError, "truncated or garbled", tries=2),
    },
)
case("wrong content type", plays(Fault.wrong_type(), None), {"all": ok()})

# -- GraphQL answers that lack something -----------------------------------------------------------

case(
    "data is null",
    plays(Fault.null_data(), None),
    {
        "read": answers(ServerError, "without data"),
        "update": answers(OutcomeUnknown, "may not have been changed", "refresh()"),
        "delete": answers(ServerError, "without confirming it"),
        "all": answers(ServerError, "without the", "check whether it exists"),
    },
)
case(
    "null for what cannot be null",
    of_each(lambda operation: Fault.null(operation.hole)),
    {
        "count": None,  # a count may be null; then the rows are counted
        "read": answers(ServerError, "data of another shape than requested"),
        "update": answers(OutcomeUnknown, "may not have been changed", "refresh()", done=1),
        "delete": answers(ServerError, "without confirming it", done=1),
        "all": answers(ServerError, "data of another shape", done=1),
    },
)
case(
    "200 with errors",
    plays(Fault.errors("the shard is asleep", "and so am I"), None),
    {"all": answers(ServerError, "refused", "the shard is asleep; and so am I", again=5)},
)
case(
    "200 with errors, a code",
    plays(Fault.errors("who are you", code="UNAUTHENTICATED"), None),
    {"all": answers(NotAuthenticated, "refused", "who are you")},
)
case(
    "a part, and errors",
    of_each(lambda operation: Fault.partial(operation.part, "this part failed")),
    {
        "count": None,  # the rows are counted instead, whose answer has another part
        "read": answers(ServerError, "refused", "this part failed", again=5),
        "all": answers(ServerError, "refused", "this part failed", done=1),
    },
)

case(
    "errors that are texts",
    plays(Fault(status=200, body={"errors": ["the shard is asleep"]}), None),
    {"all": answers(ServerError, "refused", "the shard is asleep", again=5)},
)
case(
    "500 with errors",
    plays(Fault(status=500, body={"errors": [{"message": "the shard is asleep"}]}), None),
    {
        "once": unknown("refused the request", "the shard is asleep"),
        "all": fails(ServerError, "refused the request", "it says: the shard is asleep", tries=2, again=5),
    },
    pages=False,  # of a later page, what wbmodel added to the request is then left out, which is one request more
)

# -- a server that has too much to do --------------------------------------------------------------

case(
    "502 for ever",
    plays(Fault.html(502, PAGE), None, **TWICE),
    {"once": unknown("HTTP 502"), "all": fails(ServerError, "answered HTTP 502 (Bad Gateway)", tries=2, again=9)},
)
case(
    "502 to the deadline",
    plays(Fault.html(502, PAGE), None, timeout=SHORT),
    {"once": unknown("HTTP 502"), "all": fails(ServerError, "answered HTTP 502 (Bad Gateway)", tries=(1, 6), again=9)},
)
case(
    "502 for ever, one attempt",
    plays(Fault(status=502, body="upstream is away"), None, max_attempts=1),
    {
        "once": unknown("HTTP 502", "upstream is away"),
        "all": fails(ServerError, "answered HTTP 502", "it says: upstream is away", again=9),
    },
)
case(
    "502 twice",
    plays(Fault.html(502, PAGE), 2),
    # A page is asked for twice, and then in a smaller one.
    {
        "once": unknown("HTTP 502"),
        **{label: ok(2, again=9) for label in ("list", "list, page 2", "list, last page")},
        "all": ok(3),
    },
)
case(
    "502 once, and it was done",
    plays(Fault(status=502, body=PAGE, execute=True)),
    {"write": ok(2, done=2), "once": unknown("HTTP 502", done=1), "all": ok(2)},
)
case(
    "503 with Retry-After",
    plays(Fault(status=503, body=BUSY, headers={"Retry-After": "0.1"})),
    {"once": unknown("HTTP 503", "too many of you"), "all": ok(2, pauses=1)},
)
case(
    "429 with Retry-After",
    plays(Fault(status=429, body=BUSY, headers={"Retry-After": "0.1"})),
    {"all": ok(2, pauses=1)},
)
case("429 without", plays(Fault(status=429, body=BUSY)), {"all": ok(2, pauses=1)})


def _too_often(scene: Scene) -> None:
    # Of two such pauses the first ends before the deadline, and the second would not.
    pause = round(0.6 * SHORT * scene.pace, 1)
    scene.play(Fault(status=429, body=BUSY, headers={"Retry-After": f"{pause:g}"}), None)
    scene.options.update(timeout=SHORT)
    scene.notes["words"] = (f"a pause of {pause:g} s",)


case(
    "429 for ever",
    _too_often,
    {"all": fails(RateLimited, "HTTP 429", "too many of you", "timeout=", tries=(1, 2))},
)
case(
    "429 for ever, without",
    plays(Fault(status=429, body=BUSY), None, **TWICE),
    {"all": fails(RateLimited, "HTTP 429", "too many of you", "concurrency=", "timeout=", tries=2)},
)
case(
    "Retry-After beyond the deadline",
    plays(Fault(status=429, body=BUSY, headers={"Retry-After": "99"}), None),
    {"all": fails(RateLimited, "HTTP 429", "too many of you", "a pause of 99 s", "timeout=")},
)
