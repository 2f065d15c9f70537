"""The kit against the backend that ``--wbmodel-backend`` names, for ``pytest --pyargs wbmodel.testing.conformance``."""

from __future__ import annotations

from typing import Any

from wbmodel.testing.conformance.suite import Conformance

__all__ = ["TestBackend"]


class TestBackend(Conformance):
    """Filled in from the command line by :mod:`wbmodel.testing.plugin`."""

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Take the backend and the seed from the options, then go on as any subclass does."""
        from wbmodel.testing.plugin import configure

        configure(type(self), metafunc.config)
        super().pytest_generate_tests(metafunc)
