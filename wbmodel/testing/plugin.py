"""The pytest plugin: options and marks of the conformance kit. Every pytest run loads it if wbmodel is installed, so it
imports nothing until one of its options is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

    from wbmodel.testing.conformance.backend_tests import BackendTests

__all__ = ["configure", "pytest_addoption", "pytest_configure", "pytest_runtest_makereport"]

_OURS = ("wbmodel", "wbmodel_fixtures", "wbmodel_live")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options ``--wbmodel-backend``, ``--wbmodel-world`` and ``--wbmodel-full``."""
    group = parser.getgroup("wbmodel", "wbmodel's conformance kit")
    group.addoption(
        "--wbmodel-backend",
        metavar="URL",
        default=None,
        help="the backend for pytest --pyargs wbmodel.testing.conformance",
    )
    group.addoption(
        "--wbmodel-world",
        metavar="MODULE:NAME",
        default=None,
        help="a Seed that fills the backend with the kit's world (default: by mutations; not needed for fixtures:)",
    )
    group.addoption(
        "--wbmodel-full", action="store_true", default=False, help="run the larger matrix of conformance cases"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks of the kit, for ``--strict-markers``."""
    for line in (
        "conformance(case, colour, declared): a case of wbmodel's conformance kit",
        "needs(parts, flags): what the kit's world must hold and the backend promise; skipped elsewhere",
    ):
        config.addinivalue_line("markers", line)


def pytest_runtest_makereport(call: pytest.CallInfo[Any]) -> None:
    """Leave wbmodel's own frames out of the traceback of a test that fails with one of its errors: the line that
    counts is the user's. ``--full-trace`` shows them all."""
    from wbmodel.errors import WbmodelError

    if call.excinfo is None or not isinstance(call.excinfo.value, WbmodelError):
        return
    for entry in call.excinfo.traceback:
        names = entry.frame.f_globals
        if str(names.get("__name__")).partition(".")[0] in _OURS:
            names.setdefault("__tracebackhide__", _is_ours)


def _is_ours(excinfo: pytest.ExceptionInfo[BaseException] | None) -> bool:
    from wbmodel.errors import WbmodelError

    return excinfo is not None and isinstance(excinfo.value, WbmodelError)


def configure(cls: type[BackendTests], config: Any) -> None:
    """Set the backend and the seed of a test class from the options."""
    import pytest

    url = config.getoption("wbmodel_backend", None)
    if not url:
        pytest.fail(
            "no backend to test: pass --wbmodel-backend=URL, as in --wbmodel-backend=fixtures: "
            "(and --wbmodel-world=package.module:Name if a seed must fill it)",
            pytrace=False,
        )
    cls.backend = url
    spec = config.getoption("wbmodel_world", None)
    if spec:
        from wbmodel.testing.conformance.seeds import load_seed

        try:
            cls.seed = load_seed(spec)
        except (ImportError, AttributeError, ValueError) as error:
            pytest.fail(f"--wbmodel-world={spec}: {error}", pytrace=False)
