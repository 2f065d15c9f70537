"""Compare the mean results of runs with one tag or another."""

from collections import defaultdict

from wandb import Api

api = Api()
losses = defaultdict(list)
for tag in ("deep", "shallow"):
    for run in api.runs("demo/vit-prisma", filters={"tags": {"$in": [tag]}}):
        if run.summary.get("test_loss") is not None:
            losses[tag].append(run.summary["test_loss"])
for tag, values in sorted(losses.items()):
    print(f"{tag}: {len(values)} runs, mean {sum(values) / len(values):.4f}, best {min(values):.4f}")
both = api.runs("demo/vit-prisma", filters={"$and": [{"tags": "deep"}, {"tags": "baseline"}]})
print(sorted(run.id for run in both))
