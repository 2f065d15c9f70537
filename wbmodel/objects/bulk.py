"""Running a bulk write in either colour: what became of each row is collected, and written into the journal."""

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
    """Run a bulk write and give what became of each row. Raises :class:`~wbmodel.errors.BulkError` at the end when rows
    failed, unless ``errors`` is ``"return"``. What goes wrong while the rows are read is raised as it is."""
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
        # Ctrl-C, or a fault: what became of what is under way cannot be known, and the journal says so.
        results += bulk.lost()
        raise
    finally:
        if journal is not None:
            journal.catch_up(results)
            journal.close()
    return bulk.finished(results, cause, errors)


async def arun(bulk: Bulk, session: Session, timeout: float | None, errors: str) -> BulkResult:
    """The twin of :func:`run`. The journal is written on a thread, so that the event loop goes on."""
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
            # Here, and not on a thread: when this is cancelled, to await would be cancelled too.
            journal.catch_up(results)
            journal.close()
    return bulk.finished(results, cause, errors)
