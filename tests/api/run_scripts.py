"""Run scripts one after the other and tell what they print. By the Python of an official client, or by our own.

    python run_scripts.py MODULE URL SCRIPT...

``MODULE`` is the one that gives them ``Api``: nothing else in them is changed. Prints JSON: by script, its output; the
traceback of one that fails. Runs on Python 3.8 and later with the standard library alone.
"""

import contextlib
import io
import json
import os
import sys
import traceback
import warnings

IMPORT = "from wandb import Api\n"


def output(path, module):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert text.count(IMPORT) == 1, path
    code = compile(text.replace(IMPORT, IMPORT.replace("wandb", module)), path, "exec")
    told = io.StringIO()
    with contextlib.redirect_stdout(told), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(code, {"__name__": "__main__"})
        except Exception:
            return told.getvalue() + traceback.format_exc()
    return told.getvalue()


if __name__ == "__main__":
    module, url, *scripts = sys.argv[1:]
    found = {}
    for script in scripts:
        os.environ["WANDB_BASE_URL"] = url
        found[os.path.basename(script)] = output(script, module)
    sys.__stdout__.write("\n" + json.dumps(found) + "\n")
