"""``FileSet``: a queryset of files, which can be downloaded together."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from wbmodel.objects.queryset import QuerySet
from wbmodel.objects.relations import ToMany
from wbmodel.objects.typevars import E_co, R_co

if TYPE_CHECKING:
    from wbmodel.operations.downloads import Downloads, TransferProgress

__all__ = ["FileSet", "ToFiles"]

E = TypeVar("E")


class FileSet(QuerySet[E_co, R_co]):
    """A queryset of files."""

    def download(
        self,
        root: str | os.PathLike[str] = ".",
        *,
        replace: bool = False,
        progress: Callable[[TransferProgress], object] | None = None,
        skip_cache: bool = False,
    ) -> Downloads:
        """Download every file to its name below ``root``, several at once, and say what became of each.

        If they belong to several runs or versions, each of these gets a folder. Files that are there with the same
        content stay; others are errors unless ``replace`` is set. ``progress`` is called as files come in. Content is
        taken from the cache and kept there, unless ``skip_cache`` is set. Raises
        :class:`~wbmodel.errors.TransferError` at the end if any file failed; the others are there.
        """
        from wbmodel.entities.contents.files import download_rows

        downloads: Downloads = self._ask(download_rows, root, replace, progress, skip_cache)
        return downloads

    async def adownload(
        self,
        root: str | os.PathLike[str] = ".",
        *,
        replace: bool = False,
        progress: Callable[[TransferProgress], object] | None = None,
        skip_cache: bool = False,
    ) -> Downloads:
        """The async twin of :meth:`download`."""
        from wbmodel.entities.contents.files import download_rows

        downloads: Downloads = await self._aask(download_rows, root, replace, progress, skip_cache)
        return downloads


class ToFiles(ToMany[E]):
    """A to-many relation to files."""

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type[Any]) -> ToFiles[E]: ...

        @overload
        def __get__(self, instance: object, owner: type[Any]) -> FileSet[E]: ...

        def __get__(self, instance: Any, owner: type[Any]) -> ToFiles[E] | FileSet[E]: ...
