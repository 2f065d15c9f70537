"""File systems for fsspec: what opens files by URL (pandas, DuckDB, Dask) opens those of runs and artifacts.

``wbmodel://entity/project/run/path`` is a file of a run, and one of an artifact version is
``wbmodel-artifact://entity/project/collection:alias/path``. They are asked for through the current session, or one of
their own with ``storage_options={"url": ...}``. fsspec keeps and shows these options, so an API key is not one of them:
the session finds it where :func:`~wbmodel.connect` does. Needs ``pip install "wbmodel[fsspec]"``.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any

import attrs
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem  # type: ignore[import-untyped, unused-ignore]

from wbmodel import forks
from wbmodel.entities.artifact import Artifact
from wbmodel.entities.run import Run
from wbmodel.errors import ConfigurationError, DoesNotExist, FieldError
from wbmodel.session.current import connect, current_session
from wbmodel.urls import split_credentials

if TYPE_CHECKING:
    from wbmodel.entities.contents.content import Content
    from wbmodel.session.session import Session

__all__ = ["ArtifactFileSystem", "RunFileSystem"]

_numbers = count(1)


@attrs.frozen
class _Found:
    """A file, and what is told about it."""

    content: Content
    size: int | None
    digest: str | None
    modified: datetime | None = None


class _Files(AbstractFileSystem):  # type: ignore[misc, unused-ignore]
    """The files of owners (runs, artifact versions), whose names have three parts. Read-only. The list of an owner's
    files is kept until ``invalidate_cache()``, or ``ls(path, refresh=True)``."""

    owners = ""

    def __init__(self, url: str | None = None, **options: Any) -> None:
        if "api_key" in options or (url is not None and split_credentials(url)[1] is not None):
            raise ConfigurationError(
                "storage_options have no api_key and no URL with a key: fsspec keeps them, and shows them; set "
                "WANDB_API_KEY, run `wandb login`, or call connect() and leave out url"
            )
        super().__init__(**options)
        self.url = url
        self._session: Session | None = None
        self._listed: dict[tuple[str, str], dict[str, _Found]] = {}
        self._opening = forks.lock()

    @property
    def session(self) -> Session:
        """The session that files are asked for through."""
        if self.url is None:
            return current_session()
        with self._opening:
            if self._session is None:
                self._session = connect(self.url, name=f"fsspec {next(_numbers)}", default=False)
            return self._session

    def _load(self, owner: str, session: Session) -> Iterable[tuple[str, _Found]]:
        """The files of an owner."""
        raise NotImplementedError

    # -- what is there -----------------------------------------------------------------------------

    def _split(self, path: str) -> tuple[str, str]:
        parts = str(self._strip_protocol(path)).split("/")
        if len(parts) < 3 or not all(parts[:3]):
            raise FileNotFoundError(f"{path!r} names no file: URLs are {self.protocol}://{self.owners}/PATH")
        return "/".join(parts[:3]), "/".join(parts[3:])

    def _files(self, owner: str, refresh: bool = False) -> dict[str, _Found]:
        session = self.session
        key = (session.origin, owner)
        if refresh or key not in self._listed:
            try:
                self._listed[key] = dict(self._load(owner, session))
            except (DoesNotExist, FieldError) as error:
                raise FileNotFoundError(str(error)) from error
        return self._listed[key]

    def _file(self, path: str) -> _Found:
        owner, inside = self._split(path)
        found = self._files(owner).get(inside)
        if found is None:
            raise FileNotFoundError(f"{owner} has no file {inside!r}")
        return found

    def invalidate_cache(self, path: str | None = None) -> None:
        """Forget the lists of files."""
        self._listed.clear()

    def ls(self, path: str, detail: bool = True, refresh: bool = False, **more: Any) -> list[Any]:
        """What is in a folder; a file lists itself."""
        owner, inside = self._split(path)
        files = self._files(owner, refresh)
        if inside in files:
            listed = [_told(f"{owner}/{inside}", files[inside])]
        else:
            folder = f"{inside}/" if inside else ""
            made: dict[str, dict[str, Any]] = {}
            for name, found in files.items():
                if name.startswith(folder):
                    child, slash, _ = name[len(folder) :].partition("/")
                    full = f"{owner}/{folder}{child}"
                    made.setdefault(full, _told(full, None if slash else found))
            if not made and inside:
                raise FileNotFoundError(f"{owner} has no file {inside!r}")
            listed = list(made.values())
        return listed if detail else [item["name"] for item in listed]

    def info(self, path: str, **more: Any) -> dict[str, Any]:
        """Name, type, and of a file its size in bytes (None: not recorded), digest and time."""
        owner, inside = self._split(path)
        found = self._files(owner).get(inside)
        if found is None:
            self.ls(path)  # raises if there is no such folder
        return _told(f"{owner}/{inside}" if inside else owner, found)

    def modified(self, path: str) -> datetime:
        """When a file was last written."""
        found = self._file(path).modified
        if found is None:
            raise NotImplementedError(f"when {path} was written is not recorded")
        return found

    # -- bytes -------------------------------------------------------------------------------------

    def _open(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, path: str, mode: str = "rb", block_size: int | None = None, **more: Any
    ) -> Any:
        if mode != "rb":
            raise NotImplementedError(f"{self.protocol}:// is read-only, so {path} is not opened with mode {mode!r}")
        found = self._file(path)
        if found.size is None:
            return found.content.open()
        size = self.blocksize if block_size is None else block_size
        return _Opened(self, path, mode, size, size=found.size, cache_options=more.get("cache_options"), found=found)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **more: Any) -> bytes:
        """The bytes of a file, or of a part of it; whole ones are verified."""
        if start is None and end is None:
            return self._file(path).content.read_bytes()
        found: Any = super().cat_file(path, start, end, **more)
        return bytes(found)

    def get_file(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, rpath: str, lpath: Any, callback: Any = None, outfile: Any = None, **more: Any
    ) -> None:
        """Download a file, verified."""
        if outfile is not None or not isinstance(lpath, str | os.PathLike):
            (outfile or lpath).write(self.cat_file(rpath))
            return
        if self.isdir(rpath):
            os.makedirs(lpath, exist_ok=True)
            return
        folder = os.path.dirname(os.path.abspath(lpath))
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".wbmodel-") as made:
            content: Any = self._file(rpath).content
            os.replace(content.download(made), lpath)


class _Opened(AbstractBufferedFile):  # type: ignore[misc, unused-ignore]
    """An open file, whose parts are fetched as they are needed."""

    def __init__(self, *given: Any, found: _Found, **options: Any) -> None:
        super().__init__(*given, **options)
        self._found = found

    def _fetch_range(self, start: int, end: int) -> bytes:
        parts, left = [], end - start
        with contextlib.closing(_iterator(self._found.content, start)) as chunks:
            for chunk in chunks:
                parts.append(chunk[:left])
                left -= len(parts[-1])
                if left <= 0:
                    break
        return b"".join(parts)


def _iterator(content: Content, start: int) -> Any:
    return content.chunks(start)


def _told(name: str, found: _Found | None) -> dict[str, Any]:
    if found is None:
        return {"name": name, "size": 0, "type": "directory"}
    return {
        "name": name,
        "size": found.size,
        "type": "file",
        "digest": found.digest,
        "LastModified": found.modified,
    }


class RunFileSystem(_Files):
    """``wbmodel://entity/project/run/path``: the files of runs."""

    protocol = "wbmodel"
    owners = "ENTITY/PROJECT/RUN"

    def _load(self, owner: str, session: Session) -> Iterator[tuple[str, _Found]]:
        project, _, key = owner.rpartition("/")
        run = Run.objects.using(session).filter(project=project).only("id", "project").get(id=key)
        for file in run.files:
            yield file.name, _Found(file, file.size, file.md5, file.updated_at)


class ArtifactFileSystem(_Files):
    """``wbmodel-artifact://entity/project/collection:alias/path``: the files and references of artifact versions."""

    protocol = "wbmodel-artifact"
    owners = "ENTITY/PROJECT/COLLECTION:ALIAS"

    def _load(self, owner: str, session: Session) -> Iterator[tuple[str, _Found]]:
        version = Artifact.objects.using(session).get(path=owner)
        entries = version.manifest()
        for name, entry in entries.items():
            yield name, _Found(version.get_path(name, entries), entry.size, entry.digest, version.created_at)
