"""The loggers ``wbmodel.*``: silent until the program configures logging. Without a handler, warnings would go to
stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger

__all__ = ["get_logger"]


def get_logger(name: str) -> Logger:
    """The logger ``name``, which begins with ``wbmodel.``."""
    import logging  # not with `import wbmodel`: it takes a twentieth of its time

    package = logging.getLogger("wbmodel")
    if not package.handlers:
        package.addHandler(logging.NullHandler())
    return logging.getLogger(name)
