"""Runs the probe with one copy of the library and no other: ``python start.py FOLDER[:FOLDER] ARGUMENTS``."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def _start() -> None:
    libraries = [Path(item) for item in sys.argv[1].split(os.pathsep)]
    # An editable installation puts a checkout on the path; with it gone, what the library lacks is an error.
    others = [item for item in sys.path[1:] if not any(Path(item).glob("wbmodel*/__init__.py"))]
    sys.path[:] = [*map(str, libraries), str(Path(__file__).parent), *others]
    import wbmodel

    assert Path(wbmodel.__file__).is_relative_to(libraries[0]), wbmodel.__file__
    from probe.__main__ import main

    main(sys.argv[2:])


if __name__ == "__main__":
    _start()
