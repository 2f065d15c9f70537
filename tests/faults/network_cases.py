"""Faults on the way: connections that break, redirects, certificates, proxies, and how bodies are packed."""

from __future__ import annotations

import functools
import importlib.util
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.faults.answer_cases import BUSY
from tests.faults.cases import SHORT, STALL, TWICE, case, fails, ok, plays, unknown
from tests.faults.runner import Scene
from tests.support import certificates
from tests.support.servers import Proxy, banner, closed_port, listening, recoding
from wbmodel.errors import NotWandbServer, RateLimited, RequestTimeout, ServerUnreachable
from wbmodel.server.limits import Limits
from wbmodel.testing import Fault

__all__ = ["PASSWORD"]

PASSWORD = "correct-horse-battery"
"""Of a proxy that lives for one test."""

# -- connections that break ------------------------------------------------------------------------

case(
    "reset, once",
    plays(Fault.reset_before()),
    {"once": unknown("dropped the connection"), "all": ok(2)},
)
case(
    "reset for ever",
    plays(Fault.reset_before(), None, **TWICE),
    {"once": unknown("dropped the connection"), "all": fails(ServerUnreachable, "dropped the connection", tries=2)},
)
case(
    "reset after the work, once",
    plays(Fault.reset_after()),
    {"write": ok(2, done=2), "once": unknown("dropped the connection", done=1), "all": ok(2)},
)
case(
    "reset after the work",
    plays(Fault.reset_after(), None, **TWICE),
    {
        "write": fails(ServerUnreachable, "dropped the connection", tries=2, done=2),
        "once": unknown("dropped the connection", done=1),
        "all": fails(ServerUnreachable, "dropped the connection", tries=2),
    },
)
case(
    "reset in the body, once",
    plays(Fault.reset_in_body()),
    {"write": ok(2, done=2), "once": unknown("dropped the connection", done=1), "all": ok(2)},
)
case(
    "reset in the body",
    plays(Fault.reset_in_body(), None, **TWICE),
    {
        "write": fails(ServerUnreachable, "dropped the connection", tries=2, done=2),
        "once": unknown("dropped the connection", done=1),
        "all": fails(ServerUnreachable, "dropped the connection", tries=2),
    },
)
case(
    "stall",
    plays(Fault.stalled(STALL), None, timeout=SHORT),
    {"once": unknown("did not answer"), "all": fails(RequestTimeout, "did not answer", "timeout=", again=1)},
)
case(
    "stall, and it was done",
    plays(Fault.stalled(STALL, execute=True), None, timeout=SHORT),
    {
        "write": fails(RequestTimeout, "did not answer", "timeout=", done=1),
        "once": unknown("did not answer", done=1),
        "all": fails(RequestTimeout, "did not answer", "timeout=", again=1),
    },
)
case(
    "stall in the body",
    plays(Fault.stalled(STALL, "body"), None, timeout=SHORT),
    {
        "write": fails(RequestTimeout, "did not answer", "timeout=", done=1),
        "once": unknown("did not answer", done=1),
        "all": fails(RequestTimeout, "did not answer", "timeout=", again=1),
    },
)
case(
    "stall beyond read_timeout, once",
    plays(Fault.stalled(STALL), read_timeout=SHORT),
    {"once": unknown("stopped sending"), "all": ok(2)},
)
case(
    "stall beyond read_timeout",
    plays(Fault.stalled(STALL), None, read_timeout=SHORT, max_attempts=1),
    {"once": unknown("stopped sending"), "all": fails(RequestTimeout, "stopped sending", "read_timeout=", again=1)},
)
case(
    "429, then a stall",
    lambda scene: (
        scene.play(Fault(status=429, body=BUSY, headers={"Retry-After": "0.1"})),
        scene.play(Fault.stalled(STALL, execute=True), None),
        scene.options.update(timeout=SHORT),
    )[-1],
    {
        # What went wrong first says more, but not of whether it was carried out in the end.
        "write": fails(RequestTimeout, "did not answer", tries=2, done=1),
        "once": unknown("did not answer", tries=2, done=1),
        "all": fails(RateLimited, "HTTP 429", tries=2),
    },
)

# -- the way there ---------------------------------------------------------------------------------


def _banner(scene: Scene) -> None:
    scene.url = f"http://127.0.0.1:{scene.hold(listening(banner))}"
    scene.options.update(TWICE)


case(
    "no HTTP",
    _banner,
    {
        "once": unknown("does not speak valid HTTP"),
        "all": fails(NotWandbServer, "does not speak valid HTTP", "check the address", tries=2),
    },
    pages=False,
    reaches=False,
)


def _redirect(scene: Scene) -> None:
    other = scene.elsewhere()
    scene.play(Fault.redirect(f"{other.url}/graphql"), None)
    scene.notes["words"] = (f"redirects to {other.url}", f"connect('{other.url}')")


case(
    "redirect to another host",
    _redirect,
    {"all": fails(NotWandbServer, "redirects to", "the API key was not sent there")},
)


def _tls(kind: str, **options: Any) -> Callable[[Scene], None]:
    def setup(scene: Scene) -> None:
        scene.server_options["ssl_context"] = certificates.with_certificate(kind)
        scene.options.update({name: value(scene) for name, value in options.items()})

    return setup


def _file(scene: Scene) -> Any:
    return certificates.authority_file(scene.ground.folder)


def _trusting(scene: Scene) -> Any:
    return certificates.trusting()


_certified = {"pages": False, "reaches": False}
case(
    "self-signed certificate",
    _tls("self-signed"),
    {"all": fails(ServerUnreachable, "cannot be trusted", "self-signed certificate", "ca_file=")},
    **_certified,
)
case(
    "expired certificate",
    _tls("expired", ssl_context=_trusting),
    {"all": fails(ServerUnreachable, "cannot be trusted", "certificate has expired", "clock")},
    **_certified,
)
case(
    "certificate of another name",
    _tls("other", ssl_context=_trusting),
    {"all": fails(ServerUnreachable, "cannot be trusted", "mismatch", "check the address")},
    **_certified,
)
case(
    "private authority",
    _tls("good"),
    {"all": fails(ServerUnreachable, "cannot be trusted", "unable to get local issuer certificate", "ca_file=")},
    **_certified,
)
case("private authority, ca_file", _tls("good", ca_file=_file), {"all": ok()}, pages=False)
case("private authority, ssl_context", _tls("good", ssl_context=_trusting), {"all": ok()}, pages=False)


def _http_for_https(scene: Scene) -> None:
    scene.url = scene.start().url.replace("http://", "https://")


case(
    "https where http is spoken",
    _http_for_https,
    {"all": fails(ServerUnreachable, "the TLS handshake failed", "begins with http://")},
    **_certified,
)


def _https_for_http(scene: Scene) -> None:
    _tls("good")(scene)
    scene.url = scene.start().url.replace("https://", "http://")
    scene.options.update(TWICE)


case(
    "http where https is spoken",
    _https_for_http,
    {"once": unknown("dropped the connection"), "all": fails(ServerUnreachable, "dropped the connection", tries=2)},
    **_certified,
)


def _proxied(
    *, tls: bool = False, refuse: tuple[int, str] | None = None, login: str | None = None, given: str | None = None
) -> Callable[[Scene], None]:
    def setup(scene: Scene) -> None:
        if tls:
            _tls("good", ssl_context=_trusting)(scene)
        proxy = Proxy(refuse=refuse, login=login)
        port = scene.hold(listening(proxy.handle))
        scene.notes["proxy"] = proxy
        scene.options["proxy"] = f"http://{given + '@' if given else ''}127.0.0.1:{port}"
        scene.notes["words"] = (f"127.0.0.1:{port}",)

    return setup


case("proxy", _proxied(), {"all": ok()}, pages=False)
case("proxy, https", _proxied(tls=True), {"all": ok()}, pages=False)
case(
    "proxy with a login",
    _proxied(tls=True, login=f"me:{PASSWORD}", given=f"me:{PASSWORD}"),
    {"all": ok()},
    pages=False,
)
_no_proxy = {"pages": False, "reaches": False}
case(
    "proxy refuses CONNECT",
    _proxied(tls=True, refuse=(403, "Forbidden")),
    {"all": fails(ServerUnreachable, "the proxy", "HTTP 403", "HTTPS_PROXY")},
    **_no_proxy,
)
case(
    "proxy wants a login, https",
    _proxied(tls=True, login=f"me:{PASSWORD}x", given=f"me:{PASSWORD}"),
    {"all": fails(ServerUnreachable, "the proxy", "HTTP 407", "HTTPS_PROXY")},
    **_no_proxy,
)
case(
    "proxy wants a login, http",
    _proxied(login=f"me:{PASSWORD}"),
    {"all": fails(ServerUnreachable, "the proxy", "requires a login", "HTTPS_PROXY")},
    **_no_proxy,
)


def _no_such_proxy(scene: Scene) -> None:
    port = scene.enter(closed_port())
    scene.options.update(proxy=f"http://me:{PASSWORD}@127.0.0.1:{port}", **TWICE)
    scene.notes["words"] = (f"127.0.0.1:{port}",)


case(
    "proxy is away",
    _no_such_proxy,
    {"all": fails(ServerUnreachable, "through the proxy", "refused", "HTTPS_PROXY", tries=2)},
    **_no_proxy,
)


def _nobody(scene: Scene) -> None:
    scene.url = f"http://127.0.0.1:{scene.enter(closed_port())}"
    scene.options.update(TWICE)


case(
    "connection refused",
    _nobody,
    {"all": fails(ServerUnreachable, "cannot be reached", "refused", "check the address", tries=2)},
    pages=False,
    reaches=False,
)


@functools.cache
def _resolver_is_quick() -> bool:
    """Whether the machine's resolver says no to a name that is none, and not only after seconds."""
    with ThreadPoolExecutor(1) as pool:
        started = time.monotonic()
        error = pool.submit(socket.getaddrinfo, "wandb.invalid", 80).exception()
        return isinstance(error, socket.gaierror) and time.monotonic() - started < 0.5


def _no_name(scene: Scene) -> None:
    scene.url = "http://wandb.invalid"
    scene.options.update(TWICE)


case(
    "no such name",
    _no_name,
    {"all": fails(ServerUnreachable, "cannot be found", "check the spelling", tries=2)},
    pages=False,
    reaches=False,
    needs=lambda: None if _resolver_is_quick() else "a resolver that says no at once",
)

# -- how answers come ------------------------------------------------------------------------------


def _gzipped(scene: Scene) -> None:
    scene.server_options["limits"] = Limits(compress=0)
    scene.options["headers"] = {"Accept-Encoding": "gzip"}


def _coded(coding: str) -> Callable[[Scene], None]:
    def setup(scene: Scene) -> None:
        scene.url = scene.hold(recoding(scene.start().url, coding))
        # Nothing is packed on the way to this very machine unless it is asked for.
        scene.options["headers"] = {"Accept-Encoding": coding}

    return setup


def _no_brotli() -> str | None:
    return None if importlib.util.find_spec("brotli") else "brotli"


def _no_zstandard() -> str | None:
    there = sys.version_info >= (3, 14) or importlib.util.find_spec("backports.zstd")
    return None if there else "backports.zstd"


def _heavy(answer: dict[str, Any]) -> None:
    # As much as leaves the pages as large as they are: they get smaller when answers weigh more than 4 MiB.
    answer["extensions"] = {"ballast": "x" * 4_150_000}


case("gzip", _gzipped, {"all": ok()})
case("deflate", _coded("deflate"), {"all": ok()}, pages=False)
case(
    "br",
    _coded("br"),
    {"all": ok()},
    pages=False,
    needs=_no_brotli,
)
case(
    "zstd",
    _coded("zstd"),
    {"all": ok()},
    pages=False,
    needs=_no_zstandard,
)
case("4 MB", plays(Fault(edit=_heavy), None), {"all": ok()})
case("slow", plays(Fault.slow(20_000)), {"all": ok()})
