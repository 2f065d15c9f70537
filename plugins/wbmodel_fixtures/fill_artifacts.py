"""Fills a store with a world's artifacts: collections, versions, portfolios, and the edges between them and runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from wbmodel.engine.memory import MemoryStore
from wbmodel.engine.records import ArtifactRecord, CollectionRecord, ProjectRecord, RunRecord, UserRecord
from wbmodel.engine.store import StoreError
from wbmodel.errors import suggestion
from wbmodel_fixtures.content import Given, file_of
from wbmodel_fixtures.fields import FIRST_DATE, fields_of
from wbmodel_fixtures.format import ArtifactType, ArtifactVersion, Project, Run
from wbmodel_fixtures.sources import Limits, Place

__all__ = ["ArtifactFiller"]


class ArtifactFiller:
    """Takes notes while projects and runs are added, then adds the artifacts, which may refer to any of them."""

    def __init__(self, store: MemoryStore, given: dict[str, Given], limits: Limits) -> None:
        self._store = store
        self._given = given
        self._limits = limits
        self.later: list[Callable[[], None]] = []
        self._projects: list[tuple[ProjectRecord, Project, Place]] = []
        self._links: list[Callable[[], None]] = []
        self._logged: dict[ProjectRecord, list[tuple[RunRecord, str, Place]]] = {}

    def note_run(self, run: RunRecord, given: Run, place: Place) -> None:
        """Remember what ``run`` used and logged."""
        for index, name in enumerate(given.used_artifacts or ()):
            self.later.append(partial(self._use, run, name, place / "used_artifacts" / index))
        for index, name in enumerate(given.logged_artifacts or ()):
            self._logged.setdefault(run.project, []).append((run, name, place / "logged_artifacts" / index))

    def note_project(self, project: ProjectRecord, given: Project, place: Place) -> None:
        """Remember a project's artifacts."""
        self._projects.append((project, given, place))

    def fill(self) -> None:
        """Add all artifacts, then portfolio links, then everything else that names an artifact."""
        for project, given, place in self._projects:
            self._add(project, given, place)
        for project, noted in self._logged.items():
            for run, name, at in noted:
                artifact = self._find(project, name, at)
                if artifact.logged_by is not run:
                    # Every edge inside the project was made with its version, so this one leads out of it.
                    where = artifact.sequence.project.path
                    raise at.error(f"{name!r} is in project {where!r}; a run logs into its own")
        for act in (*self._links, *self.later):
            act()

    def _add(self, project: ProjectRecord, given: Project, place: Place) -> None:
        for name, kind in (given.artifact_types or {}).items():
            fields = fields_of(kind or ArtifactType(), place / "artifact_types" / name)
            self._store.add_artifact_type(project, name, **{"created_at": FIRST_DATE, **fields})
        for name, item in (given.artifacts or {}).items():
            at = place / "artifacts" / name
            if ":" in name:
                raise at.error(f"the name {name!r} contains a colon, which separates a name from its version")
            fields = {"created_at": FIRST_DATE, **fields_of(item, at, but=("versions",))}
            collection = self._store.add_collection(project, name, **fields)
            self._add_versions(collection, item.versions or [], at / "versions")

    def _add_versions(self, collection: CollectionRecord, versions: list[ArtifactVersion], place: Place) -> None:
        numbers: dict[int, Place] = {}
        holders: dict[str, tuple[int, Place]] = {}
        for index, version in enumerate(versions):
            at = place / index
            number = self._number(version.version, max(numbers, default=-1) + 1, at)
            if number in numbers:
                first = numbers[number]
                raise at.error(f"version v{number} of {collection.name!r} appears twice; first at {first}")
            numbers[number] = at
            for turn, alias in enumerate(version.aliases or ()):
                here = at / "aliases" / turn
                if alias in holders:
                    raise here.error(
                        f"alias {alias!r} of {collection.name!r} appears twice; first at {holders[alias][1]}"
                    )
                if alias[:1] == "v" and alias[1:].isdecimal():
                    raise here.error(f"alias {alias!r} looks like a version number; use version: {alias}")
                holders[alias] = (number, here)
        if numbers:
            holders.setdefault("latest", (max(numbers), place))
        loggers = {} if collection.kind == "portfolio" else self._loggers(collection, holders)
        for (number, at), version in zip(numbers.items(), versions, strict=True):
            aliases = [alias for alias, (holder, _) in holders.items() if holder == number]
            if collection.kind == "portfolio":
                self._add_link(collection, version, aliases, at)
            else:
                self._add_version(collection, number, version, aliases, at, loggers.get(number))

    def _loggers(
        self, collection: CollectionRecord, holders: Mapping[str, tuple[int, Place]]
    ) -> dict[int, tuple[RunRecord, Place]]:
        """Which run lists which version of ``collection`` as logged."""
        project = collection.project
        found: dict[int, tuple[RunRecord, Place]] = {}
        for run, name, at in self._logged.get(project, ()):
            head, _, alias = name.rpartition(":")
            if head not in (collection.name, f"{project.name}/{collection.name}", collection.path):
                continue
            if alias in holders:
                number = holders[alias][0]
            elif alias[:1] == "v" and alias[1:].isdecimal():
                number = int(alias[1:])
            else:
                continue
            if number in found and found[number][0] is not run:
                other, place = found[number]
                raise at.error(f"{name!r} can be logged by only one run; run {other.name!r} logged it too, at {place}")
            found[number] = (run, at)
        return found

    def _number(self, value: int | str | None, default: int, place: Place) -> int:
        if value is None:
            return default
        if isinstance(value, int):
            return value
        digits = value[1:] if value[:1] == "v" else value
        if not (digits.isascii() and digits.isdecimal() and len(digits) < 10):
            raise (place / "version").error(f"{value!r} is not a version; write 3 or v3")
        return int(digits)

    def _add_version(
        self,
        collection: CollectionRecord,
        number: int,
        given: ArtifactVersion,
        aliases: list[str],
        place: Place,
        noted: tuple[RunRecord, Place] | None,
    ) -> None:
        if given.link is not None:
            raise (place / "link").error("only a portfolio has links (kind: portfolio)")
        fields = fields_of(given, place, but=("version", "aliases", "link", "files", "logged_by", "user"))
        run = self._logger(collection.project, given.logged_by, place / "logged_by")
        if noted is not None and run is not None and noted[0] is not run:
            raise (place / "logged_by").error(
                f"run {run.name!r} is named here, but run {noted[0].name!r} lists this version as logged, at {noted[1]}"
            )
        content: Given = {}
        files = {}
        for path, item in (given.files or {}).items():
            files[path] = file_of(item, place / "files" / path, self._limits, digest=True)
            content[f"files/{path}"] = files[path].get("content")
        logged_by: RunRecord | UserRecord | None = run or (noted[0] if noted else None)
        if given.user is not None:
            if noted is not None:
                raise (place / "user").error(f"run {noted[0].name!r} lists this version as logged, at {noted[1]}")
            logged_by = self._store.user(given.user)
            if logged_by is None:
                names = [u.username for u in self._store.users()]
                raise (place / "user").error(f"there is no user {given.user!r}{suggestion(given.user, names)}")
        artifact = self._store.add_version(
            collection,
            version=number,
            aliases=aliases,
            files=files,
            logged_by=logged_by,
            **{"created_at": collection.created_at, **fields},
        )
        if content:
            self._given[artifact.id] = content

    def _logger(self, project: ProjectRecord, name: str | None, place: Place) -> RunRecord | None:
        if name is None:
            return None
        run = self._store.run(project, name)
        if run is None:
            ids = [r.name for r in self._store.runs(project)]
            hint = suggestion(name, ids, "runs") or "; the project has none"
            raise place.error(f"there is no run {name!r} in project {project.path!r}{hint}")
        return run

    def _add_link(self, portfolio: CollectionRecord, given: ArtifactVersion, aliases: list[str], place: Place) -> None:
        odd = sorted(fields_of(given, place, but=("aliases", "link")))
        if odd:
            raise (place / odd[0]).error(f"a portfolio's version is a link, and a link cannot have {odd[0]!r}")
        target = given.link
        if target is None:
            raise place.error("a portfolio's version needs the key 'link'")

        def link() -> None:
            artifact = self._find(portfolio.project, target, place / "link")
            try:
                self._store.link(artifact, portfolio, aliases)
            except StoreError as error:
                raise place.error(str(error)) from None

        self._links.append(link)

    def _use(self, run: RunRecord, name: str, place: Place) -> None:
        self._store.use(run, self._find(run.project, name, place))

    def _find(self, project: ProjectRecord, name: str, place: Place) -> ArtifactRecord:
        head, _, alias = name.rpartition(":")
        if not head:
            raise place.error(f"{name!r} does not name a version; write collection:v0 or collection:alias")
        candidates: list[tuple[ProjectRecord | None, str]] = [(project, head)]
        if "/" in head:
            first, rest = head.split("/", 1)
            candidates.append((self._store.project(project.entity.name, first), rest))
            if "/" in rest:
                second, last = rest.split("/", 1)
                candidates.append((self._store.project(first, second), last))
        for where, collection_name in candidates:
            collection = self._store.collection(where, collection_name) if where is not None else None
            if collection is None:
                continue
            membership = self._store.membership(collection, alias)
            if membership is None:
                known = [f"v{m.version_index}" for m in self._store.versions(collection)]
                known += [a for m in self._store.versions(collection) for a in m.aliases]
                hint = suggestion(alias, known, "versions") or "; it has none"
                raise place.error(f"artifact {collection.path!r} has no version {alias!r}{hint}")
            return membership.artifact
        names = [c.name for c in self._store.collections(project)]
        hint = suggestion(head, names, "artifacts") or "; the project has none"
        raise place.error(f"there is no artifact {head!r} in project {project.path!r}{hint}")
