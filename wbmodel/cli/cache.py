"""``wbmodel cache``: how much the cache of downloaded files holds, and removing from it."""

from __future__ import annotations

import argparse

from wbmodel.cli.output import emit, to_json
from wbmodel.files_cache import Cache
from wbmodel.safe_text import counted, readable

__all__ = ["run_cache"]


def run_cache(arguments: argparse.Namespace) -> int:
    """Show the cache, or prune it."""
    cache = Cache()
    as_json = arguments.format in ("json", "jsonl")
    if arguments.action == "info":
        info = cache.info()
        facts = {"place": str(info.place), "files": info.files, "bytes": info.bytes}
        emit(to_json(facts, indent=None) if as_json else str(info))
        return 0
    most = None if arguments.max_size is None else int(arguments.max_size)
    made = cache.prune(older_than=arguments.older_than, max_bytes=most, dry_run=arguments.dry_run)
    if as_json:
        emit(to_json({"files": made.files, "bytes": made.bytes, "left": made.left.bytes}, indent=None))
    else:
        done = "would be removed" if arguments.dry_run else "removed"
        emit(f"{counted(made.files, 'file')}, {readable(made.bytes)} {done}; {made.left}")
    return 0
