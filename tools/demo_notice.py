"""Write ``SOURCES.md`` and ``NOTICE`` of the demo world: where data comes from, its licences, and what was changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["write_notices"]

LICENCES = {
    "kjappelbaum/gpt3forchem": ("Apache-2.0", None),
    "soniajoseph/ViT-Prisma": ("MIT", "Copyright (c) 2023 Sonia Joseph"),
    "LucasAlegre/morl-baselines": ("MIT", "Copyright (c) 2022 Lucas Alegre"),
    "NVIDIA/torch-harmonics": (
        "BSD-3-Clause",
        "Copyright (c) 2022 The torch-harmonics Authors. All rights reserved.",
    ),
    "AI-ModCon/BaseSIM_APEIRON": ("Apache-2.0", "Copyright 2026 AI-ModCon"),
    "wandb/wandb": ("MIT", "Copyright (c) 2023 Weights & Biases"),
    "wandb/sweeps": ("MIT", "Copyright (c) 2021 Weights and Biases"),
}

MIT = """\
Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""

BSD = """\
Redistribution and use in source and binary forms, with or without
modification, are permitted provided that the following conditions are met:

1. Redistributions of source code must retain the above copyright notice, this
   list of conditions and the following disclaimer.
2. Redistributions in binary form must reproduce the above copyright notice,
   this list of conditions and the following disclaimer in the documentation
   and/or other materials provided with the distribution.

3. Neither the name of the copyright holder nor the names of its
   contributors may be used to endorse or promote products derived from
   this software without specific prior written permission.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS"
AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE
IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE
FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER
CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY,
OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE
OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
"""

SOURCES = """
Sweep definitions: `synmorl1` from LucasAlegre/morl-baselines (commit 444ce72fa702, MIT), `syngrid1` and `synbayes`
from wandb/sweeps (commit 3fe747bc6bcf, MIT). Report specifications: wandb/wandb (commits f655ee52077c and
5f6a2a94cdb0, MIT).

## What is real

- config: `config.yaml`, else the log; summary: `wandb-summary.json`, else the log, else the last values of the history.
  Without the `_wandb` housekeeping; nothing else was cut. Names, groups, job types, tags, notes, exit codes and
  histories: the `.wandb` log.
- state: the log's exit record (0: finished, other: failed, none: crashed). Where there is no readable log: finished if
  the summary holds the run time that the client writes at the end, else crashed.
- created_at: `startedAt` of the metadata, else the log's start time, else the directory's name taken as UTC.
  heartbeat_at: the summary's `_timestamp`, in whole seconds.
- histories of at most MAX_ROWS rows, whole; longer ones were left out.
- Of several directories with one run id in a project, the one that holds most was taken.

## What was changed before, by those who collected it

Host names, user names, mail addresses, entities, git owners, organisation ids and personal paths were replaced by text
of the same length.

## What is synthetic

- The entity `demo` and the user `viewer`.
- Which runs belong to which sweep (such runs carry the tag `synthetic-sweep`), and the definitions of `synchem1` and
  `synvit01`. Sweep descriptions begin with `synthetic:`.
- All artifacts but those of demo/torch-harmonics; their descriptions begin with `synthetic:`.
- Titles and dates of the reports.
"""


def write_notices(demo: Path, taken: dict[str, list[dict[str, Any]]], max_rows: int) -> None:
    """Write both files. ``taken`` holds, by project, the ground-truth entry of each run that was used."""
    lines = [
        "# Where the demo world comes from",
        "",
        "Made by `tools/build_demo_world.py` from real W&B run directories that people committed to public",
        "repositories. Licence notices: `NOTICE`.",
        "",
        "| project | repository | commits | licence | runs |",
        "|---|---|---|---|---|",
    ]
    for project, truths in taken.items():
        repo = truths[0]["repo"]
        commits = ", ".join(sorted({truth["commit"][:12] for truth in truths}))
        lines.append(f"| demo/{project} | {repo} | {commits} | {LICENCES[repo][0]} | {len(truths)} |")
    lines += SOURCES.replace("MAX_ROWS", str(max_rows)).split("\n")
    (demo / "SOURCES.md").write_text("\n".join(lines), encoding="utf-8", newline="\n")
    notice = ["The demo world holds data from these repositories.", ""]
    for repo, (licence, line) in LICENCES.items():
        notice.append(f"{repo}: {licence}" + (f". {line}" if line else ""))
    notice += [
        "",
        "The files were changed: see SOURCES.md. Apache-2.0: its text is in the LICENSE file of wbmodel.",
        "",
        "MIT",
        "---",
        "",
        MIT,
        "BSD-3-Clause",
        "------------",
        "",
        BSD.rstrip(),
        "",
    ]
    (demo / "NOTICE").write_text("\n".join(notice), encoding="utf-8", newline="\n")
