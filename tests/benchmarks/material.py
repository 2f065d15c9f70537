"""Runs for benchmarks: 30 config keys and 50 summary keys each, as a server sends them and as a store keeps them."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta, timezone
from typing import Any

START = datetime(2024, 1, 1, tzinfo=timezone.utc)


METRICS = 50
"""Summary keys of a run, unless a benchmark says otherwise."""


def values(number: int, metrics: int = METRICS) -> tuple[dict[str, Any], dict[str, Any]]:
    """The config of run ``number`` and its summary of so many metrics."""
    draw = random.Random(number)
    config: dict[str, Any] = {f"param_{index}": draw.random() for index in range(20)}
    config |= {f"size_{index}": draw.randint(1, 4096) for index in range(7)}
    config |= {"optimizer": draw.choice(["adam", "sgd", "lion"]), "lr": 10 ** -draw.uniform(1, 5), "seed": number}
    summary = {f"metric/{index}": draw.random() for index in range(metrics - 3)}
    summary |= {"loss": draw.random(), "_step": draw.randint(1, 10**6), "_runtime": draw.random() * 1e4}
    return config, summary


def nodes(count: int) -> list[dict[str, Any]]:
    """Run nodes in wire form, with the fields that a plain query selects."""
    made = []
    for number in range(count):
        config, summary = values(number)
        wrapped = {key: {"desc": None, "value": value} for key, value in config.items()}
        created, beat = (
            (START + timedelta(minutes=at)).isoformat().replace("+00:00", "Z") for at in (number, number + 0.37)
        )
        made.append(
            {
                "id": f"UnVuOnYxOnJ1bjp7{number:08d}",
                "name": f"run{number:05d}",
                "displayName": f"brave-river-{number}",
                "state": "finished",
                "config": json.dumps(wrapped),
                "summaryMetrics": json.dumps(summary),
                "tags": ["baseline"],
                "group": "g1",
                "jobType": "train",
                "notes": None,
                "createdAt": created,
                "heartbeatAt": beat,
                "sweepName": None,
                "user": {"id": "VXNlcjoz", "username": "ada", "name": "Ada"},
            }
        )
    return made


def page(count: int) -> bytes:
    """One page of run nodes as bytes from a wire."""
    edges = [{"node": node} for node in nodes(count)]
    body = {"data": {"project": {"id": "UA==", "name": "p", "entityName": "e", "runs": {"edges": edges}}}}
    return json.dumps(body).encode()


def world(count: int) -> dict[str, Any]:
    """A fixtures world with one project of ``count`` runs."""
    runs = []
    for number in range(count):
        config, summary = values(number)
        runs.append(
            {
                "id": f"run{number:05d}",
                "name": f"brave-river-{number}",
                "state": "finished" if number % 5 else "crashed",
                "config": config,
                "summary": summary,
                "tags": ["baseline"] if number % 3 else [],
                "created_at": (START + timedelta(minutes=number)).isoformat(),
            }
        )
    return {
        "viewer": "ada",
        "entities": {"acme": {"type": "team", "members": ["ada"], "projects": {"big": {"runs": runs}}}},
        "users": {"ada": {}},
    }
