"""The mean curve of a group of runs, with its spread."""

import pandas as pd
from wandb import Api

api = Api()
curves = {}
for run in api.runs("demo/vit-prisma", filters={"group": "cold"}, order="+created_at"):
    frame = run.history(keys=["train_loss"], samples=10_000)
    if len(frame):
        curves[run.id] = frame.set_index("_step")["train_loss"]
table = pd.DataFrame(curves)
print(table.shape, sorted(table.columns))
mean, spread = table.mean(axis=1), table.std(axis=1).fillna(0)
for step in list(table.index)[:5]:
    print(step, f"{mean[step]:.6f} +- {spread[step]:.6f}")
for run in api.runs("demo/vit-prisma", filters={"group": "cold"}, order="+created_at"):
    rows = [row for row in run.scan_history() if row.get("train_loss") is not None]
    print(run.id, len(rows), f"{min(row['train_loss'] for row in rows):.6f}" if rows else "nothing")
