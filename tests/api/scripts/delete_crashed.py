"""Delete the runs that crashed early, and keep the others."""

from wandb import Api

api = Api()
path = "demo/vit-prisma"
before = len(api.runs(path, per_page=500))
crashed = list(api.runs(path, filters={"state": "crashed"}, order="+created_at"))
for run in crashed:
    print(run.name, run.state, run.lastHistoryStep)
    run.delete()
api.flush()
fresh = Api()
print(before - len(fresh.runs(path, per_page=500)), [run.id for run in fresh.runs(path, filters={"state": "crashed"})])
try:
    fresh.run(f"{path}/{crashed[0].id}")
except Exception as error:
    print(type(error).__name__)
