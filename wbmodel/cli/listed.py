"""What the command line lists."""

from __future__ import annotations

__all__ = ["LISTED"]

LISTED = {
    "projects": "Project",
    "runs": "Run",
    "sweeps": "Sweep",
    "artifacts": "Artifact",
    "reports": "Report",
}
"""The commands that list, and the entity of each."""
