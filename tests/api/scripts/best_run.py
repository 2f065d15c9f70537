"""The best run of a sweep: by the sweep's own metric, by an order, and by hand."""

from wandb import Api

api = Api()
sweep = api.sweep("demo/vit-prisma/synvit01")
best = sweep.best_run()
print(best.id, best.state, round(best.summary["test_loss"], 6))
print(best.config["transformer"])

runs = api.runs("demo/vit-prisma", {"sweep": "synvit01"}, order="+summary_metrics.test_loss")
print([run.id for run in runs[:3]], len(runs))

by_hand = sorted(sweep.runs, key=lambda run: run.summary.get("test_loss", float("inf")))
print(by_hand[0].id == best.id)
