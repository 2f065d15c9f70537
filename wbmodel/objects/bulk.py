"""Run a bulk write, sync or async: collect the result of each row, and write it to the journal."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, cast

from wbmodel.errors import WbmodelError

if TYPE_CHECKING:
    from wbmodel.operations.bulk import Bulk
    from wbmodel.operations.bulk_result import BulkResult, RowResult
    from wbmodel.session.session import Session

__all__ = ["arun", "run"]


def run(bulk: Bulk, session: Session, timeout: float | None, errors: str) -> BulkResult:
    """Run a bulk write and return the result of each row.

    Raises :class:`~wbmodel.errors.BulkError` at the end if rows failed, unless ``errors`` is ``"return"``. Errors while
    the rows are read are raised unchanged.
    """
    results: list[RowResult] = []
    journal, cause = bulk.journal, None
    try:
        if journal is not None:
            bulk.known = journal.open()
        with closing(cast("Any", session.iterate(bulk.operation(), timeout=timeout))) as parts:
            for part in parts:
                results += part
                if journal is not None:
                    journal.catch_up(results)
    except WbmodelError as error:
        if not bulk.listed:
            raise
        cause = error
        bulk.cut_short(results, error)
    except BaseException:
        # Ctrl-C or a bug: the outcome of rows in flight is unknown, and the journal records that.
        results += bulk.lost()
        raise
    finally:
        if journal is not None:
            journal.catch_up(results)
            journal.close()
    return bulk.finished(results, cause, errors)


async def arun(bulk: Bulk, session: Session, timeout: float | None, errors: str) -> BulkResult:
    """The async twin of :func:`run`. The journal is written in a thread, so the event loop is not blocked."""
    results: list[RowResult] = []
    journal, cause = bulk.journal, None
    try:
        if journal is not None:
            bulk.known = await asyncio.to_thread(journal.open)
        async with aclosing(session.aiterate(bulk.operation(), timeout=timeout)) as parts:
            async for part in parts:
                results += part
                if journal is not None:
                    await asyncio.to_thread(journal.catch_up, results)
    except WbmodelError as error:
        if not bulk.listed:
            raise
        cause = error
        bulk.cut_short(results, error)
    except BaseException:
        results += bulk.lost()
        raise
    finally:
        if journal is not None:
            # Not in a thread: after a cancellation, awaiting would be cancelled too.
            journal.catch_up(results)
            journal.close()
    return bulk.finished(results, cause, errors)
