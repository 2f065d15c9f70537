"""``python -m wbmodel.demo``: questions a practitioner would ask, the code that asks them, and the answers.

The runs are real and come with the package (``plugins/wbmodel_fixtures/demo/SOURCES.md`` names their sources). The
sweeps, the artifacts and their assignment to runs are synthetic and marked as such.
"""

from __future__ import annotations

import textwrap
import time
from typing import Any

__all__ = ["QUESTIONS", "main"]

QUESTIONS: tuple[tuple[str, str], ...] = (
    (
        "What is there?",
        """
        for project in Project.objects.order_by("name"):
            runs = project.runs
            print(f"{project.path:<26}{runs.count():>4} runs   {runs.filter(state='finished').count():>3} finished")
        """,
    ),
    (
        "Which vision transformers did best on the test set?",
        """
        vit = Run.objects.filter(project="demo/vit-prisma")
        for run in vit.order_by("summary.test_loss")[:5]:
            layers = run.config["transformer"]["num_layers"]
            print(f"{run.id}  {run.name:<22} test_loss {run.summary['test_loss']:.4f}  layers {layers}  {run.state}")
        """,
    ),
    (
        "What differs between the best and the worst of them?",
        """
        best = vit.best("summary.test_loss", goal="min")
        worst = vit.best("summary.test_loss", goal="max")

        def flat(value, prefix=""):
            for key, item in value.items():
                yield from flat(item, f"{prefix}{key}.") if isinstance(item, dict) else [(prefix + key, item)]

        there, here = dict(flat(best.config)), dict(flat(worst.config))
        for key in sorted(there.keys() & here.keys()):
            if there[key] != here[key]:
                print(f"{key:<32} {there[key]!r:<24} {here[key]!r}")
        """,
    ),
    (
        "How did their losses go? Every row that was logged, drawn as a line (history.plot() draws a picture):",
        """
        def line(values):
            low, high = min(values), max(values)
            return "".join("_.-=^"[round(4 * (value - low) / ((high - low) or 1))] for value in values)

        for run, rows in vit.filter(state="failed").history.values("test_loss").by_run():
            if losses := rows.columns["test_loss"]:
                print(f"{run.id} {rows.length:>3} rows  {losses[0]:.3f} {line(losses)} {losses[-1]:.3f}")
        """,
    ),
    (
        "What does a filter compile to? This sends no requests.",
        """
        question = (
            Run.objects.filter(project="demo/gpt3-chem", state="finished", config__hyperparams__n_epochs__in=[2, 4])
            .filter(Q(summary__validation_loss__lt=0.2) | Q(tags__contains="baseline"))
            .exclude(config__model="davinci")
            .order_by("summary.validation_loss", "-created_at")[:10]
        )
        print(question.explain())
        """,
    ),
    (
        "And its answer, as rows:",
        """
        for row in question.values_list("id", "config.model", "config.hyperparams.n_epochs", "summary.validation_loss"):
            print(*row, sep="   ")
        """,
    ),
    (
        "Which runs lack a key that their neighbours have?",
        """
        lacking = vit.filter(summary__test_loss__exists=False)
        print(lacking.count(), "of", vit.count(), "have no test_loss:", *lacking.values_list("id", flat=True))
        """,
    ),
    (
        "How did each sweep go?",
        """
        for sweep in Sweep.objects.filter(entity="demo").order_by("name"):
            best = sweep.best_run()
            shown = f"{best.summary[sweep.metric]:.4f} in {best.id}" if best else "no run reports it"
            print(f"{sweep.path:<38}{sweep.run_count:>3} runs   {sweep.goal} {sweep.metric}: {shown}")
        """,
    ),
    (
        "A key with a slash, and runs from two projects at once, newest first:",
        """
        lively = Run.objects.filter(project__in=["demo/wandb-sdk-tests", "demo/apeiron"])
        for run in lively.filter(Q(F.summary["train/loss"] > 0) | Q(F.summary["eval/loss"] > 0))[:4]:
            losses = {key: value for key, value in run.summary.items() if key.endswith("/loss")}
            print(run.path, run.created_at.date(), losses)
        """,
    ),
    (
        "What do more epochs do to the validation loss? As a frame of groups:",
        """
        groups = Run.objects.filter(project="demo/gpt3-chem").group_by("config.model", "config.hyperparams.n_epochs")
        table = groups.annotate(n=Count(), mean=Mean("summary.validation_loss"), sd=Std("summary.validation_loss"))
        print(table.order_by("mean").to_pandas().to_string(index=False))
        """,
    ),
    (
        "And from the shell: wbmodel runs demo/vit-prisma -u demo: -f 'summary.test_loss<0.2' -n 4 and so on",
        """
        from wbmodel.cli.main import main

        main([
            "runs", "demo/vit-prisma", "-u", "demo:", "-n", "4",
            "-f", "summary.test_loss<0.2", "-o", "summary.test_loss",
            "-c", "id,state,config.training.lr,config.transformer.num_layers,summary.test_loss",
        ])
        """,
    ),
    (
        "A typo is caught before any request:",
        """
        try:
            Run.objects.filter(sumary__loss__lt=1)
        except errors.FieldError as error:
            print(error)
        """,
    ),
    (
        "The same from async code:",
        """
        async def newest():
            async for run in Run.objects.filter(project="demo/morl", state="finished").order_by("-created_at")[:3]:
                print(run.path, run.created_at.isoformat(timespec="seconds"))

        asyncio.run(newest())
        """,
    ),
    (
        "What does a change send? Only what changed; and a bulk change has a dry run.",
        """
        run = vit.first()
        run.tags.append("looked-at")
        run.config["training"]["note"] = "from the demo"
        print(run.dirty_fields, "->", run.save(), "->", run.save())

        weak = vit.filter(summary__test_loss__gt=1)
        print(weak.update(tags=Add("weak"), dry_run=True))
        print(weak.update(tags=Add("weak")))
        """,
    ),
    (
        "What is in an artifact, and is the copy on this disk still the same?",
        """
        prompts = Artifact.objects.get(path="demo/gpt3-chem/polymer-prompts:reviewed")
        with tempfile.TemporaryDirectory() as folder:
            prompts.download(folder)
            print([path.name for path in Path(folder).iterdir()], prompts.verify(folder).is_same)
            Path(folder, "README.md").write_text("edited")
            try:
                prompts.verify(folder)
            except errors.IntegrityError as error:
                print(str(error).replace(folder, "FOLDER"))
        """,
    ),
    (
        "The same over HTTP, as from a W&B server: the demo data, served on this machine",
        """
        from wbmodel.testing import served

        with served("demo:") as server, connect(server.url, project="demo/gpt3-chem", default=False) as live:
            runs = list(Run.objects.filter(summary__validation_loss__lt=0.03))
            print(len(runs), "runs:", *(run.id for run in runs))
            print(live.stats)
        """,
    ),
    (
        "The same of TensorBoard's event files, where they are (a folder that the package carries)",
        """
        from pathlib import Path
        import wbmodel_tensorboard

        logs = Path(wbmodel_tensorboard.__file__).parent / "demo"
        try:
            with connect(f"tensorboard:{logs}", default=False):
                for run in Run.objects.filter(config__num_units=32).order_by("-summary.accuracy"):
                    print(f"{run.name}  accuracy {run.summary['accuracy']:.3f}  {run.config['optimizer']}")
        except errors.BackendNotInstalled as error:
            print(error)
        """,
    ),
)


def main() -> None:
    """Ask every question and print it, its code and its answer."""
    import asyncio
    import tempfile
    from pathlib import Path

    import wbmodel

    names: dict[str, Any] = {name: getattr(wbmodel, name) for name in wbmodel.__all__}
    names |= {"asyncio": asyncio, "errors": wbmodel.errors, "tempfile": tempfile, "Path": Path}
    started = time.perf_counter()
    with wbmodel.connect("demo:", name="demo", default=False) as session:
        for number, (question, code) in enumerate(QUESTIONS, 1):
            source = textwrap.dedent(code).strip()
            print(f"\n{number}. {question}\n")
            print(textwrap.indent(source, "    "))
            print()
            exec(compile(source, f"<question {number}>", "exec"), names)  # the code is in this file
        seconds = time.perf_counter() - started
        print(
            f"\n{len(QUESTIONS)} questions, {session.stats.requests} requests, {seconds:.1f} s. "
            "More: python -m wbmodel.docs"
        )


if __name__ == "__main__":
    main()
