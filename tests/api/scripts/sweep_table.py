"""List the runs of a sweep into a frame, with a column for each setting and result."""

import pandas as pd
from wandb import Api

api = Api()
sweep = api.sweep("demo/vit-prisma/synvit01")
rows = []
for run in sweep.runs:
    row = {"id": run.id, "state": run.state}
    row.update({f"config.{key}": value for key, value in run.config.items() if not isinstance(value, dict)})
    row.update({key: value for key, value in run.summary.items() if not key.startswith("_")})
    rows.append(row)
frame = pd.DataFrame(rows).sort_values("id").reset_index(drop=True)
print(frame.shape)
print(sorted(frame.columns))
print(frame[["id", "state", "test_loss"]].round(6).to_csv(index=False), end="")
print(frame.groupby("state")["test_loss"].mean().round(6).to_dict())
