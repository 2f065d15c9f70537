"""Write the best value of a history to the summary, and copy a setting to it, for each run of a sweep."""

from wandb import Api

api = Api()
for run in api.runs("demo/vit-prisma", filters={"sweep": "synvit01"}):
    history = run.scan_history(keys=["test_loss"])
    best = min((row["test_loss"] for row in history), default=None)
    if best is None:
        continue
    run.summary["best_test_loss"] = best
    run.summary["layers"] = run.config.get("transformer", {}).get("num_layers", 0)
    run.summary.update()

api.flush()
again = Api()
for run in sorted(again.runs("demo/vit-prisma", filters={"sweep": "synvit01"}), key=lambda run: run.id):
    summary = run.summary
    print(run.id, summary.get("layers"), round(summary.get("best_test_loss") or 0, 6), len(summary.keys()))
