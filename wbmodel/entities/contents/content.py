"""What has bytes: run files, artifact files, and entries of manifests. Each verb has a sync and an async form."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import IO, TYPE_CHECKING, Any, Literal, TypeVar, overload

from wbmodel.codec import loads
from wbmodel.errors import IntegrityError

if TYPE_CHECKING:
    from wbmodel.backend.asks import BlobRef
    from wbmodel.compiler.target import Target
    from wbmodel.entities.contents.manifest import ManifestEntry
    from wbmodel.operations.answer import Operation
    from wbmodel.session.session import Session

__all__ = ["Content"]

T = TypeVar("T")


class Content:
    """The verbs that read bytes. Whatever the size and the digest of a file are known to be, its bytes must have them:
    else :class:`~wbmodel.errors.IntegrityError` is raised."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def session(self) -> Session: ...

        @property
        def path(self) -> str: ...

        def _run(self, operation: Callable[..., Operation[T]], *args: Any) -> T: ...

        async def _arun(self, operation: Callable[..., Operation[T]], *args: Any) -> T: ...

        def _locate(self, target: Target) -> Operation[BlobRef | ManifestEntry]: ...

        def _renew(self, ref: BlobRef, target: Target) -> Operation[BlobRef]: ...

    def read_bytes(self) -> bytes:
        """All bytes."""
        from wbmodel.entities.contents.files import read

        return self._run(read)

    async def aread_bytes(self) -> bytes:
        """The async twin of :meth:`read_bytes`."""
        from wbmodel.entities.contents.files import read

        return await self._arun(read)

    def read_text(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """All bytes as text."""
        return self.read_bytes().decode(encoding, errors)

    async def aread_text(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The async twin of :meth:`read_text`."""
        return (await self.aread_bytes()).decode(encoding, errors)

    def read_json(self) -> Any:
        """The JSON value in the file; bare NaN and Infinity are accepted. Raises
        :class:`~wbmodel.errors.IntegrityError` for a file that is not JSON."""
        return self._json(self.read_bytes())

    async def aread_json(self) -> Any:
        """The async twin of :meth:`read_json`."""
        return self._json(await self.aread_bytes())

    def _json(self, data: bytes) -> Any:
        try:
            return loads(data)
        except ValueError as error:
            raise IntegrityError(f"{self.path} is not JSON: {error}") from error

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        """The bytes from ``start`` on, as they come."""
        from wbmodel.entities.contents.files import chunks

        session = self.session
        for part in session.iterate(chunks(self, session.target, start)):
            yield from part

    async def achunks(self, start: int = 0) -> AsyncIterator[bytes]:
        """The async twin of :meth:`chunks`."""
        from wbmodel.entities.contents.files import chunks

        session = self.session
        async with aclosing(session.aiterate(chunks(self, session.target, start))) as parts:
            async for part in parts:
                for chunk in part:
                    yield chunk

    @overload
    def open(self, mode: Literal["rb"] = "rb", *, encoding: None = None) -> IO[bytes]: ...

    @overload
    def open(self, mode: Literal["r"], *, encoding: str | None = None) -> IO[str]: ...

    def open(self, mode: str = "rb", *, encoding: str | None = None) -> IO[Any]:
        """The file opened to read: ``rb`` for bytes, ``r`` for text (UTF-8 unless ``encoding`` says otherwise).

        Bytes are fetched while they are read, and again from another place after ``seek()``, so their digest is not
        checked; :meth:`read_bytes` and ``download()`` do that. The async form is :meth:`achunks`.
        """
        if mode not in ("r", "rb"):
            raise ValueError(f"mode must be 'r' or 'rb', not {mode!r}: files are only read")
        raw = io.BufferedReader(_Remote(self), buffer_size=2**18)
        return raw if mode == "rb" else io.TextIOWrapper(raw, encoding or "utf-8")


class _Remote(io.RawIOBase):
    """A file whose bytes are fetched while they are read."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._at = 0
        self._left = memoryview(b"")
        self._chunks: Iterator[bytes] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            size = getattr(self._content, "size", None)
            if size is None:
                raise io.UnsupportedOperation("the size of the file is not known, so its end cannot be sought")
            offset += size
        elif whence == io.SEEK_CUR:
            offset += self._at
        if offset < 0:
            raise ValueError(f"a file has no place {offset}")
        if offset != self._at:
            self._drop()
            self._at = offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._chunks is None:
            self._chunks = self._content.chunks(self._at)
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = memoryview(chunk)
        wanted = memoryview(buffer)
        count = min(len(wanted), len(self._left))
        wanted[:count] = self._left[:count]
        self._left = self._left[count:]
        self._at += count
        return count

    def close(self) -> None:
        self._drop()
        super().close()

    def _drop(self) -> None:
        chunks: Any = self._chunks
        self._chunks, self._left = None, memoryview(b"")
        if chunks is not None:
            chunks.close()
