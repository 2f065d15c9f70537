"""Pickles: of querysets and entities, without session or key, and found again by origin."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import pytest

from tests.support.queries import STORE, ids, on
from wbmodel import Artifact, Run, Sweep
from wbmodel.errors import ConfigurationError
from wbmodel.testing import assert_num_requests

SECRET = "local-0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_queryset(protocol: int) -> None:
    with on(api_key=SECRET):
        rows = Run.objects.filter(state="finished").order_by("summary.loss")[:5]
        data = pickle.dumps(rows, protocol)
        assert SECRET.encode() not in data
        assert b"Session" not in data
        loaded = pickle.loads(data)
        with assert_num_requests(0):
            assert ids(loaded) == ids(rows)
            assert list(loaded) == list(rows)
        # A clone of it asks again, wherever it is.
        assert ids(loaded.all()) == ids(rows)


def test_unevaluated_plans_pickle_without_asking() -> None:
    rows = (
        Run.objects.filter(state="finished").exclude(config__lr__gt=1).order_by("-summary.loss").select_related("user")
    )
    plan = pickle.loads(pickle.dumps(rows._plan))
    assert plan == rows._plan
    with on():
        made: Any = Run.objects.all()
        made._plan = plan
        assert ids(made) == ids(rows)


def test_another_version_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with on():
        data = pickle.dumps(Run.objects.all()[:1])
    monkeypatch.setattr("wbmodel._version.__version__", "99.0")
    with pytest.warns(RuntimeWarning, match=r"pickled by wbmodel .* and is read by 99\.0"):
        pickle.loads(data)


def test_the_same_version_is_not_said() -> None:
    with on():
        data = pickle.dumps(Run.objects.all()[:1])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            pickle.loads(data)


@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_entities(protocol: int) -> None:
    with on(api_key=SECRET) as session:
        run = Run.objects.select_related("user").prefetch_related("files", "sweep").filter(sweep="sw1", user="ada")[0]
        _ = run.config  # decoded; the summary is not
        data = pickle.dumps(run, protocol)
        assert SECRET.encode() not in data
        assert session.origin.encode() in data
        loaded = pickle.loads(data)
        assert loaded == run
        assert hash(loaded) == hash(run)
        assert (loaded.config, repr(loaded.summary), loaded.created_at) == (
            run.config,
            repr(run.summary),
            run.created_at,
        )
        assert loaded.loaded_fields() == run.loaded_fields()
        with assert_num_requests(0):
            assert [file.name for file in loaded.files] == [file.name for file in run.files]
            assert loaded.sweep.config == run.sweep.config  # type: ignore[union-attr]
        assert loaded.session is session
        with assert_num_requests(1):
            assert loaded.files.all().count() == 2
        assert type(loaded.project) is type(run.project)


def test_an_entity_never_falls_back_to_another_host() -> None:
    with on():
        data = pickle.dumps(Run.objects.get(id="v01"))
    with on():
        loaded = pickle.loads(data)
        assert loaded.id == "v01"
        with pytest.raises(ConfigurationError, match=r"came from engine:\d+, but no session to it is open"):
            loaded.session  # noqa: B018
        with pytest.raises(ConfigurationError):
            list(loaded.files)


def test_equal_across_pickles_and_not_across_origins() -> None:
    with on():
        one = Run.objects.get(id="v01")
    with on():
        other = Run.objects.get(id="v01")
    assert one != other
    assert pickle.loads(pickle.dumps(one)) == one


def test_copies() -> None:
    with on() as session:
        run = Run.objects.get(id="v01")
        shallow = copy.copy(run)
        assert shallow == run
        assert shallow is not run
        assert shallow.session is session
        deep = copy.deepcopy(run)
        assert deep == run
        assert deep.config == run.config
        assert deep.config is not run.config
        assert deep.session is session


def test_references_by_key() -> None:
    with on():
        run = Run.objects.filter(sweep="sw1")[0]
        loaded = pickle.loads(pickle.dumps(run.sweep))
        assert loaded == run.sweep
        assert isinstance(loaded, Sweep)
        artifact = Artifact.objects.get(name="images:v0")
        assert pickle.loads(pickle.dumps(artifact)).path == "acme/vision/images:v0"


def test_no_pickle_of_the_world_is_needed() -> None:
    # Guard of the tests above: the store itself would pickle everything and hide a leak.
    assert STORE.viewer is not None
