"""Fields of a run that take arguments: ``name -> function(args, context) -> getter``.

The getter is made once for a page and called per run, so a list of runs with parts of config, samples of histories and
so on does not need the executor for each; see ``projection.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from operator import attrgetter
from typing import Any

from wbmodel.engine.context import Context, blob_url
from wbmodel.engine.fields import LanguageError
from wbmodel.engine.history import history_keys, load_spec
from wbmodel.engine.records import RunRecord
from wbmodel.engine.stopping import until_given_up
from wbmodel.engine.text import encode

__all__ = ["RUN_PARTS", "Maker"]

Maker = Callable[[Mapping[str, Any], Context], Callable[[Any], Any]]


def _column(whole: str, part: Callable[[Any, Collection[str]], str]) -> Maker:
    """A JSON column: the attribute ``whole``, or ``part(run, keys)`` with keys in the arguments."""

    def make(args: Mapping[str, Any], context: Context) -> Callable[[Any], Any]:
        keys = args.get("keys")
        if keys is None:
            return attrgetter(whole)
        wanted = dict.fromkeys(keys)
        return lambda run: part(run, wanted)

    return make


def _wandb_config(args: Mapping[str, Any], context: Context) -> Callable[[RunRecord], str | None]:
    keys = args.get("keys")

    def get(run: RunRecord) -> str | None:
        inner = run.config_wandb
        if isinstance(inner, dict) and "value" in inner and inner.keys() <= {"desc", "value"}:
            inner = inner["value"]
        if not isinstance(inner, dict):
            return None
        return encode(inner if keys is None else {key: inner[key] for key in keys if key in inner})

    return get


def _history(args: Mapping[str, Any], context: Context) -> Callable[[RunRecord], list[str]]:
    return lambda run: context.histories.rows(run, args)


def _events(args: Mapping[str, Any], context: Context) -> Callable[[RunRecord], list[str]]:
    samples = args.get("samples")
    return lambda run: context.histories.events(run, samples)


def _specs(field: str, args: Mapping[str, Any]) -> list[dict[str, Any]]:
    try:
        return [load_spec(text) for text in args["specs"]]
    except ValueError as error:
        raise LanguageError(f"{field}: {error}") from None


# packVersion is about the transport of rows; plain objects are the form that all clients read.


def _sampled(args: Mapping[str, Any], context: Context) -> Callable[[RunRecord], list[Any]]:
    specs = _specs("sampledHistory", args)
    return lambda run: [context.histories.sampled(run, spec) for spec in until_given_up(specs)]


def _bucketed(args: Mapping[str, Any], context: Context) -> Callable[[RunRecord], list[Any]]:
    specs = _specs("bucketedHistory", args)
    return lambda run: [context.histories.bucketed(run, spec) for spec in until_given_up(specs)]


def _parquet(args: Mapping[str, Any], context: Context) -> Callable[[RunRecord], dict[str, Any]]:
    keys = args["liveKeys"]
    # In process there are no URLs that a reader of Parquet could open, so nothing is exported there.
    exports = context.url_for is not blob_url

    def get(run: RunRecord) -> dict[str, Any]:
        files = context.histories.exported(run) if exports else ()
        return {
            "parquetUrls": [context.url_for(file) for file in files],
            "liveData": context.histories.live(run, keys, exports=exports),
        }

    return get


def _history_keys(args: Mapping[str, Any], context: Context) -> Callable[[RunRecord], dict[str, Any] | None]:
    return lambda run: history_keys(run.history.keys(), run.history.last_step) if run.history.count() else None


RUN_PARTS: dict[str, Maker] = {
    "config": _column("config_text", RunRecord.config_part),
    "summaryMetrics": _column("summary_text", RunRecord.summary_part),
    "wandbConfig": _wandb_config,
    "history": _history,
    "events": _events,
    "sampledHistory": _sampled,
    "bucketedHistory": _bucketed,
    "parquetHistory": _parquet,
    "historyKeys": _history_keys,
}
