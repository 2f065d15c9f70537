"""The loggers ``wbmodel.*``, silent until the program configures logging.

Without a handler, Python would print warnings to stderr.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger

__all__ = ["get_logger"]


def get_logger(name: str) -> Logger:
    """The logger ``name``, which starts with ``wbmodel.``."""
    import logging  # imported late: it would add a twentieth to the time of `import wbmodel`

    package = logging.getLogger("wbmodel")
    if not package.handlers:
        package.addHandler(logging.NullHandler())
    return logging.getLogger(name)
