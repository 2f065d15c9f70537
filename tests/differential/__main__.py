"""``python -m tests.differential --quick``: 200 questions at two homes, writes at one, and the names.

``--part querysets --seed 7 --home weak`` asks one thing of both sides and shows what differs; ``--show`` prints the
working tree's whole record. Without options, everything is compared, as the test does.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.differential.baseline import ROOT, baseline
from tests.differential.comparing import differences, report
from tests.differential.deviations import uncovered
from tests.differential.running import LIVE_EVERY, QUICK, Piece, pieces, start


def main() -> int:
    """Compare; 1 when something differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="200 questions at two homes, writes at one, and names")
    parser.add_argument("--whole", action="store_true", help="every question at every live home, too")
    parser.add_argument("--part", choices=["querysets", "writes", "tables", "lookups", "names"])
    parser.add_argument("--seed", help="one question, N:M for several; the name of a record of another part")
    parser.add_argument("--home", help="one home")
    parser.add_argument("--show", action="store_true", help="print the record of the working tree")
    options = parser.parse_args()
    if options.show:
        arguments = ["--parts", options.part or "querysets", "--homes", options.home or "full"]
        arguments += ["--seeds", options.seed] if options.seed else []
        print(start([ROOT, ROOT / "plugins"], arguments).communicate()[0])
        return 0
    chosen = QUICK if options.quick else pieces(live_every=1 if options.whole else LIVE_EVERY)
    if options.part:
        chosen = [item for item in chosen if item.part == options.part]
    if options.home:
        chosen = [item for item in chosen if item.home == options.home]
    if options.seed:
        chosen = [Piece(item.part, item.home, options.seed) for item in chosen if item.part != "names"]
    baseline()
    wrong = 0
    for piece in chosen:
        started = time.monotonic()
        left, _ = uncovered(differences(piece))
        print(f"{piece}: {'the same' if not left else report(left)} ({time.monotonic() - started:.0f} s)", flush=True)
        wrong += len(left)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
