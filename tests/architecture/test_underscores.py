"""No file uses another file's underscore names, but for those that stand here with their reason."""

from __future__ import annotations

from tools.source_tree import ROOT, reaches, sources

# file -> reason -> names. A new one fails, and so does one that is gone: the list can only shrink.
REACHES = {
    "cli.completion": {
        "argparse names the type of its table of commands nowhere else": "_SubParsersAction",
        "argparse lists a parser's options nowhere else": "_actions",
    },
    "cli.main": {
        "argparse names the type of its table of commands nowhere else": "_SubParsersAction",
    },
    "cli.options": {"argparse names the type of its table of commands nowhere else": "_SubParsersAction"},
    "forks": {
        "sys, documented: where threads are": "_current_frames _getframe",
        "locks, as the standard library renews its own": "_at_fork_reinit",
    },
    "errors": {"sys._getframe, documented: whose line a warning is about": "_getframe"},
}


def test_no_file_reaches_into_another() -> None:
    listed = {(file, name) for file, of in REACHES.items() for names in of.values() for name in names.split()}
    wrong, used = [], set()
    for module, source in sources().items():
        file = module.removeprefix("wbmodel.")
        for line, name in reaches(source):
            used.add((file, name))
            if (file, name) not in listed:
                wrong.append(f"{source.path.relative_to(ROOT)}:{line} uses {name}, which it does not define")
    assert not wrong, "\n".join(wrong)
    assert listed <= used, f"no longer so, take it out of REACHES: {sorted(listed - used)}"
