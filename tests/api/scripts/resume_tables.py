"""Go on from the table that a run logged last: which prompts are done, and which are left."""

from wandb import Api

api = Api()
run = api.run("demo/vit-prisma/0lhwu6v9")
done = set()
for artifact in run.logged_artifacts():
    if artifact.type != "run_table":
        continue
    table = artifact.get("predictions")
    print(artifact.version, table.columns, len(table.data))
    for _, row in table.iterrows():
        done.add(row[0])
    scores = table.get_column("score")
    print("mean", sum(scores) / len(scores))
wanted = [f"prompt {number}" for number in range(6)]
print("left:", [prompt for prompt in wanted if prompt not in done])
print("step to go on from:", run.lastHistoryStep + 1)
