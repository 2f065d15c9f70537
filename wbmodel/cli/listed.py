"""The listings of the command line."""

from __future__ import annotations

__all__ = ["LISTED"]

LISTED = {
    "projects": "Project",
    "runs": "Run",
    "sweeps": "Sweep",
    "artifacts": "Artifact",
    "reports": "Report",
}
"""Listing command -> name of its entity class."""
