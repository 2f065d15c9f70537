"""The command line, ``wbmodel``. See ``docs/reference/cli.md``."""

from __future__ import annotations

__all__: list[str] = []
