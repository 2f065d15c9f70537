"""Files of runs and of artifacts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs

from wbmodel.entities.base import Model, entity
from wbmodel.entities.contents.content import Content
from wbmodel.entities.contents.file_set import FileSet
from wbmodel.errors import FieldError
from wbmodel.meta import Arg, Kind, Options, ReadOnly, Route, Step, Writes, field, relation
from wbmodel.meta.scopes import ARTIFACT, RUN
from wbmodel.meta.state import is_loaded
from wbmodel.meta.wiring import PROJECT_STEP, RUN_STEP
from wbmodel.objects.manager import Manager

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

    from wbmodel.backend.asks import BlobRef
    from wbmodel.compiler.target import Target
    from wbmodel.entities.artifact import Artifact
    from wbmodel.entities.run import Run
    from wbmodel.operations.answer import Operation

__all__ = ["File"]


@entity
class File(Content, Model):
    """One file of a run (``run.files``) or of an artifact version (``artifact.files``)."""

    node_id: ReadOnly[str] = field("id", Kind.ID, "The GraphQL id, the identity everywhere.", nullable=False)
    name: ReadOnly[str] = field("name", Kind.TEXT, "The path inside the run or artifact, with slashes.", nullable=False)
    size: ReadOnly[int] = field(
        "sizeBytes", Kind.INT, "The size in bytes.", nullable=False, aliases=("size_bytes", "sizeBytes")
    )
    md5: ReadOnly[str | None] = field("md5", Kind.TEXT, "The MD5 of the content, base64.")
    digest: ReadOnly[str | None] = field("digest", Kind.TEXT, "The digest in the artifact's manifest.", selected=False)
    mimetype: ReadOnly[str | None] = field("mimetype", Kind.TEXT, "The media type.", shared=True)
    updated_at: ReadOnly[datetime | None] = field(
        "updatedAt", Kind.TIME, "When it last changed.", aliases=("updatedAt",)
    )
    url: ReadOnly[str | None] = field("url", Kind.TEXT, "Where its bytes are.")
    direct_url: ReadOnly[str] = field(
        "directUrl",
        Kind.TEXT,
        "Where its bytes are, without credentials.",
        nullable=False,
        selected=False,
        aliases=("directUrl",),
    )

    run: ReadOnly[Run] = relation(
        "Run", "run", "The run it belongs to; only files of runs have it.", identity=("id", "project"), through=True
    )
    artifact: ReadOnly[Artifact] = relation(
        "Artifact",
        "artifact",
        "The artifact version it belongs to; only files of artifacts have it.",
        identity=("version_index", "digest", "collection"),
        through=True,
    )

    @property
    def owner(self) -> Run | Artifact:
        """The run or the artifact version that it belongs to."""
        return self.run if is_loaded(self, "run") else self.artifact

    @property
    def path(self) -> str:
        """``"entity/project/run/name"``, or ``"entity/project/collection:v3/name"``."""
        return f"{self.owner.path}/{self.name}"

    def download(self, root: str | os.PathLike[str] = ".", *, replace: bool = False) -> Path:
        """Download the file to its name below ``root``, and return its path.

        It gets its name when it is complete and verified; what breaks off is gone on with by the next call. A file that
        is there with the same content stays; another one is an error unless ``replace`` is set. Raises
        :class:`~wbmodel.errors.UnsafeName` for a name that would lead outside of ``root``.
        """
        from wbmodel.entities.contents.files import download_one

        return self._run(download_one, root, replace)

    async def adownload(self, root: str | os.PathLike[str] = ".", *, replace: bool = False) -> Path:
        """The async twin of :meth:`download`."""
        from wbmodel.entities.contents.files import download_one

        return await self._arun(download_one, root, replace)

    def _locate(self, target: Target) -> Operation[BlobRef]:
        from wbmodel.entities.contents.files import ref_of

        ref = ref_of(self)
        return ref if ref.url is not None else (yield from self._renew(ref, target))

    def _renew(self, ref: BlobRef, target: Target) -> Operation[BlobRef]:
        from wbmodel.entities.contents.files import urls_of_rows

        (fresh,) = yield from urls_of_rows([self], target)([ref])
        return fresh

    def delete(self) -> None:
        """Delete the file of a run for good. Files of artifacts belong to their version and cannot be deleted."""
        self._delete()

    async def adelete(self) -> None:
        """The async twin of :meth:`delete`."""
        await self._adelete()

    def _refuse_deletion(self, flags: Mapping[str, bool]) -> None:
        if is_loaded(self, "artifact"):
            raise FieldError(f"{self!r} belongs to an artifact version, whose files are fixed; delete the version")

    def _label(self) -> str:
        return self.path

    def _found_by(self) -> dict[str, Any]:
        owner = "run" if is_loaded(self, "run") else "artifact"
        return {"name": self.name, owner: self.owner.path if owner == "run" else self.owner.node_id}

    objects = Manager["FileSet[File]"](FileSet)
    __wbmodel__ = Options(
        key="name",
        scopes={RUN: RUN, ARTIFACT: ARTIFACT},
        routes=(
            Route(
                needs=(RUN,),
                steps=(PROJECT_STEP, attrs.evolve(RUN_STEP, relation=RUN)),
                connection="files",
                context=RUN,
                count="parent:fileCount",
                names=Arg("names", "names", "[String]"),
            ),
            Route(
                steps=(Step("artifact", (Arg("id", ARTIFACT, "ID!"),), entity="Artifact", relation=ARTIFACT),),
                connection="files",
                context=ARTIFACT,
                names=Arg("names", "names", "[String!]"),
            ),
        ),
        order=("name",),
        node_context=(RUN, ARTIFACT),
        shown=("name", "size", "mimetype", "updated_at"),
        writes=Writes(
            id="files", delete="deleteFiles", delete_id="[ID!]!", delete_list=True, existing=True, confirms=True
        ),
    )
