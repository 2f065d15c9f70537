"""``Files``, ``ArtifactFiles`` and ``File``: their names, sizes and addresses, and their bytes."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from wbmodel.api.attrs import Attrs, Siblings, as_text
from wbmodel.api.errors import normalize_exceptions
from wbmodel.api.paginator import Paginator
from wbmodel.entities.artifact import Artifact as ArtifactEntity
from wbmodel.entities.file import File as FileEntity
from wbmodel.entities.run import Run as RunEntity

if TYPE_CHECKING:
    from typing_extensions import Self

    from wbmodel.api.client import Client
    from wbmodel.objects.queryset import QuerySet

__all__ = ["ArtifactFiles", "File", "Files"]


class File(Attrs[FileEntity]):
    """A file of a run or of an artifact version."""

    client: Client

    @classmethod
    def of(
        cls,
        client: Client,
        row: FileEntity,
        siblings: Siblings | None = None,
        rows: QuerySet[FileEntity] | None = None,
    ) -> Self:
        """A file of a listing; ``rows`` are all files of its owner."""
        made = super().of(client, row, siblings)
        made._rows = rows
        return made

    _rows: QuerySet[FileEntity] | None = None

    def _again(self) -> QuerySet[FileEntity]:
        assert self._rows is not None
        return self._rows

    @property
    def id(self) -> str:
        """The GraphQL id."""
        return self.model.node_id

    @property
    def name(self) -> str:
        """The path inside the run or the artifact, with slashes."""
        return self.model.name

    @property
    def size(self) -> int:
        """The size in bytes; 0 if it is unknown."""
        return self._read("size") or 0

    @property
    def md5(self) -> str | None:
        """The MD5 of the content, base64."""
        found: str | None = self._read("md5")
        return found

    @property
    def digest(self) -> str | None:
        """The digest in the artifact's manifest."""
        found: str | None = self._read("digest")
        return found

    @property
    def mimetype(self) -> str | None:
        """The media type."""
        found: str | None = self._read("mimetype")
        return found

    @property
    def updated_at(self) -> str | None:
        """When it last changed, as the server's text."""
        found: str | None = as_text(self._read("updated_at"))
        return found

    @property
    def url(self) -> str | None:
        """Where its bytes are."""
        found: str | None = self._read("url")
        return found

    @property
    def direct_url(self) -> str:
        """Where its bytes are, in the storage itself."""
        found: str = self._read("direct_url")
        return found

    @property
    def path_uri(self) -> str:
        """``s3://bucket/key`` of a file in S3; empty for any other."""
        found = re.match(r"https://s3(?:[.-][\w-]+)?\.amazonaws\.com/([^/?]+)/([^?]+)", self.direct_url or "")
        other = re.match(r"https://([^/?]+?)\.s3(?:[.-][\w-]+)*\.amazonaws\.com/([^?]+)", self.direct_url or "")
        named = found or other
        return f"s3://{named[1]}/{named[2]}" if named else ""

    @normalize_exceptions
    def download(
        self, root: str | os.PathLike[str] = ".", replace: bool = False, exist_ok: bool = False, api: Any = None
    ) -> TextIO:
        """Download it to its name below ``root``, and open it as text.

        A file that is there already is an error, unless it may be replaced, or with ``exist_ok`` taken as it is. What
        is written is verified. ``api`` is taken and means nothing here.
        """
        path = Path(root, self.name)
        if path.exists() and not replace:
            if not exist_ok:
                raise ValueError(f"{path} is there already; pass replace=True to write over it, or exist_ok=True")
            return path.open(encoding="utf-8")
        row = self._row()
        return row.download(root, replace=replace).open(encoding="utf-8")

    @normalize_exceptions
    def delete(self) -> None:
        """Delete the file of a run. Files of artifacts belong to their version and cannot be deleted."""
        self._row().delete()

    def __repr__(self) -> str:
        return f"<File {self.name} ({self.mimetype}) {_human(self.size)}>"


def _human(size: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.1f}{unit}"
        size /= 1000
    return f"{size:.1f}TB"


class _FileList(Paginator[File]):
    """Files of one owner."""

    def __init__(self, client: Client, rows: Any, names: Sequence[str] | None, per_page: int | None) -> None:
        super().__init__(client, per_page)
        if isinstance(names, str):
            raise TypeError(f"names must be a list such as [{names!r}], not text")
        self._owned = rows
        self._names = list(names) if names else None

    def _make_rows(self) -> QuerySet[FileEntity]:
        rows: QuerySet[FileEntity] = self._owned
        return rows.filter(name__in=self._names) if self._names else rows

    def _related(self) -> QuerySet[FileEntity]:
        found: QuerySet[FileEntity] = self._owned
        return found

    def _make(self, row: FileEntity) -> File:
        return File.of(self.client, row, self._siblings, self._related())


class Files(_FileList):
    """The files of a run: all, those of some names, or those whose names match a pattern of SQL's ``LIKE``."""

    def __init__(
        self,
        client: Client,
        run: Attrs[RunEntity],
        names: Sequence[str] | None = None,
        per_page: int | None = 50,
        upload: bool = False,
        pattern: str | None = None,
    ) -> None:
        if names and pattern:
            raise ValueError("give names or pattern, not both")
        super().__init__(client, run.model.files.using(client.session), names, per_page)
        self.run = run
        self._pattern = None if pattern is None else _like(pattern)

    def _make_rows(self) -> QuerySet[FileEntity]:
        rows = super()._make_rows()
        return rows if self._pattern is None else rows.filter(name__regex=self._pattern)

    def __repr__(self) -> str:
        return f"<Files {self.run.model.path}>"


def _like(pattern: str) -> str:
    parts = [".*" if char == "%" else "." if char == "_" else re.escape(char) for char in pattern]
    return rf"(?s)\A{''.join(parts)}\Z"


class ArtifactFiles(_FileList):
    """The files of an artifact version: all, or those of some names."""

    def __init__(
        self,
        client: Client,
        artifact: Attrs[ArtifactEntity],
        names: Sequence[str] | None = None,
        per_page: int | None = 50,
    ) -> None:
        super().__init__(client, artifact.model.files.using(client.session), names, per_page)
        self.artifact = artifact

    def __repr__(self) -> str:
        return f"<ArtifactFiles {self.artifact.model.path}>"
