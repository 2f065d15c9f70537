"""The command as a process: pipes, terminals, signals, completion by a shell. A start costs a third of a second."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import depth

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(sys.executable).with_name("wbmodel")
WBMODEL = [sys.executable, "-m", "wbmodel"]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WBMODEL", "WANDB", "COLUMNS"))}
    kept.pop("NO_COLOR", None)
    return {**kept, "WBMODEL_URL": "demo:", "TERM": "xterm-256color", **more}


def call(command: list[Any], **how: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, **{"capture_output": True, "text": True, "timeout": 60, **how})


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return call([*WBMODEL, *arguments], env=environment(**more), cwd=ROOT)


def on_terminal(*arguments: str, columns: int = 100, **more: str) -> str:
    """What the command writes to a terminal of so many columns."""
    import fcntl
    import struct
    import termios

    process, terminal = pty.fork()
    if process == 0:
        os.chdir(ROOT)
        os.execve(WBMODEL[0], [*WBMODEL, *arguments], environment(**more))
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    out = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        if not part:
            break
        out += part
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0, out
    return out.decode().replace("\r\n", "\n")


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_the_installed_script_is_the_command():
    done = call([SCRIPT, "runs", "demo/vit-prisma", "-n", "2"], env=environment())
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 3
    assert done.stderr == "2 of 31 runs (-n all shows all)\n"


def test_piped_there_are_no_colours_and_nothing_is_cut():
    done = run("artifacts", FORCE_COLOR="")
    assert "\x1b" not in done.stdout + done.stderr
    # The longest line is wider than any terminal.
    assert max(map(len, done.stdout.splitlines())) > 120
    assert "…" not in done.stdout


def test_a_terminal_gets_colours_and_a_table_that_fits():
    text = on_terminal("runs", "demo/vit-prisma", "-n", "3")
    assert "\x1b[32mfinished" in text
    assert "3 of 31 runs" in text
    assert all(len(line) <= 100 for line in plain(text).splitlines())


@pytest.mark.parametrize("setting", ["NO_COLOR", pytest.param("flag", marks=pytest.mark.slow)])
def test_no_colours_when_they_are_not_wanted(setting):
    if setting == "flag":
        text = on_terminal("runs", "demo/vit-prisma", "-n", "3", "--no-color")
    else:
        text = on_terminal("runs", "demo/vit-prisma", "-n", "3", NO_COLOR="1")
    assert "\x1b" not in text
    assert "finished" in text


@pytest.mark.slow
def test_forty_columns():
    text = plain(on_terminal("runs", "demo/vit-prisma", "-n", "3", columns=40))
    lines = text.splitlines()
    assert all(len(line) <= 40 for line in lines)
    assert lines[0].split()[:3] == ["id", "name", "state"]
    told = " ".join(lines[4:])
    assert "not shown for lack of space: user, tags" in told
    assert "3 of 31 runs" in told
    # One column, wider than the terminal, is cut and marked.
    text = plain(on_terminal("projects", "-c", "description", columns=40))
    assert all(len(line) <= 40 for line in text.splitlines())
    assert text.count("…") == 6


def test_wide_characters_and_escapes_on_a_terminal(tmp_path):
    world = tmp_path / "world.yaml"
    world.write_text(
        "entities: {acme: {projects: {vision: {runs: ["
        '{id: a, name: "実験実験実験", notes: x}, {id: b, name: "\\e[31mred\\a", notes: x}, '
        '{id: c, name: "[bold]", notes: x}'
        "]}}}}",
        encoding="utf-8",
    )
    text = on_terminal(
        "-u", f"fixtures:{world}", "runs", "acme/vision", "-c", "id,name,notes", "--no-color", columns=40
    )
    assert "\x1b" not in text
    assert "\x07" not in text
    lines = {line[0]: line for line in text.splitlines() if line[:1] in "abc"}
    # A wide character takes two cells, so the last column begins six characters sooner.
    assert lines["a"].index(" x") == lines["b"].index(" x") - 6
    assert "\\x1b[31mred\\x07" in lines["b"]
    assert "[bold]" in lines["c"]
    # Nor as CSV, on a terminal; in a file the data is as it is.
    assert "\x1b" not in on_terminal("-u", f"fixtures:{world}", "runs", "acme/vision", "--csv")
    assert "\x1b[31m" in run("-u", f"fixtures:{world}", "runs", "acme/vision", "--csv").stdout


@pytest.mark.slow
def test_an_encoding_that_lacks_characters(tmp_path):
    world = tmp_path / "world.yaml"
    world.write_text(
        'entities: {acme: {projects: {vision: {runs: [{id: a, name: "実験 \U0001f600"}]}}}}', encoding="utf-8"
    )
    done = run("-u", f"fixtures:{world}", "runs", "-c", "name", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "\\u5b9f\\u9a13" in done.stdout
    # JSON has escapes of its own, for every character.
    done = run("-u", f"fixtures:{world}", "runs", "-c", "name", "--json", PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout)["items"] == [{"name": "実験 \U0001f600"}]
    # A pipe takes UTF-8, whatever the locale.
    posix = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    for how in ("--json", "--no-color") if depth.quick else ("--json", "--csv", "--jsonl", "--no-color"):
        done = call(
            [*WBMODEL, "-u", f"fixtures:{world}", "runs", "-c", "name", how], env=environment(**posix), text=False
        )
        assert "実験 \U0001f600" in done.stdout.decode(), how


@pytest.mark.parametrize("format", [None, pytest.param("--jsonl", marks=pytest.mark.slow)])
def test_a_closed_pipe_is_quiet(format):
    line = f"{' '.join(WBMODEL)} runs -n all {format or ''} -c 'path,config' | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = call(["bash", "-c", line], env=environment(), cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "141"
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


CANNOT = {"/dev/full": "No space left on device", "&-": "standard output is closed"}


@pytest.mark.sampled("where", "command", every=2)
@pytest.mark.parametrize("where", CANNOT)
@pytest.mark.parametrize("command", ["runs -n all", "--help", "run demo/gpt3-chem/ft-69Qz1KujHgKgrjvDs20RlI9G --json"])
def test_output_that_cannot_be_written_is_one_line_and_a_status(command, where):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    done = call(["bash", "-c", f"{' '.join(WBMODEL)} {command} >{where}"], env=environment(), cwd=ROOT)
    assert done.returncode == 5
    assert f"wbmodel: error: the output cannot be written: {CANNOT[where]}\n" == done.stderr.splitlines(True)[-1]
    assert len(done.stderr.splitlines()) <= 2  # how many rows there are was said before
    # A message that cannot be written changes nothing.
    done = call(["bash", "-c", f"{' '.join(WBMODEL)} {command} 2>{where}"], env=environment(), cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


def test_interrupting_ends_with_130_and_no_traceback(tmp_path):
    # It waits for the end of a document on standard input, which never comes.
    process = subprocess.Popen(
        [*WBMODEL, "graphql", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        cwd=ROOT,
    )
    assert process.stdin is not None
    process.stdin.write(b" " * 1_000_000)  # more than a pipe holds: once this returns, the process reads
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (out, error) == (b"", b"wbmodel: interrupted\n")


def test_help_imports_none_of_what_is_slow():
    code = (
        "import sys; from wbmodel.cli.main import main; main(['--help']); main(['runs', '--help']); "
        "slow = {'rich', 'graphql', 'yaml', 'argcomplete', 'wbmodel.engine', 'wbmodel_fixtures', 'asyncio', 'pandas'}; "
        "print(sorted(slow & set(sys.modules)), file=sys.stderr)"
    )
    done = call([sys.executable, "-c", code], env=environment(), cwd=ROOT)
    assert done.stderr == "[]\n"
    code = code.replace("main(['--help']); main(['runs', '--help'])", "main(['runs', '-n', '3'])")
    done = call([sys.executable, "-c", code], env=environment(), cwd=ROOT)
    assert "rich" not in done.stderr.splitlines()[-1]
    assert "pandas" not in done.stderr


# -- completion ------------------------------------------------------------------------------------


def offered(line: str, **more: str) -> list[str]:
    """What bash offers after ``line``."""
    if not shutil.which("bash"):
        pytest.skip("there is no bash")
    script = f"""
        export PATH={Path(sys.executable).parent}:$PATH
        eval "$(wbmodel completion bash)"
        COMP_LINE={line!r}; COMP_POINT=${{#COMP_LINE}}; COMP_TYPE=9; COMP_KEY=9
        COMP_WORDS=($COMP_LINE); COMP_CWORD=${{#COMP_WORDS[@]}}
        _python_argcomplete wbmodel
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = call(["bash", "-c", script], env=environment(**more))
    return sorted(item.strip() for item in done.stdout.splitlines() if item.strip())


def test_bash_completes_commands_projects_and_keys():
    assert offered("wbmodel swee") == ["sweep", "sweeps"]
    assert "demo/vit-prisma" in offered("wbmodel runs demo/v")
    assert offered("wbmodel runs demo/vit-prisma -c summary.test_") == ["summary.test_acc", "summary.test_loss"]
    assert offered("wbmodel runs demo/vit-prisma -c id,config.transformer.num_l") == [
        "id,config.transformer.num_layers"
    ]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell):
    done = run("completion", shell)
    assert done.returncode == 0
    assert "wbmodel" in done.stdout
    if shutil.which(shell):
        check = call([shell, "-n"], input=done.stdout)
        assert check.returncode == 0, check.stderr
