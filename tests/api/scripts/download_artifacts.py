"""Download the latest model and each version of it, check them, and read what they say."""

import os
import tempfile

from wandb import Api

api = Api()
folder = tempfile.mkdtemp()
latest = api.artifact("demo/vit-prisma/vit-weights:latest", type="model")
place = latest.download(os.path.join(folder, "latest"))
latest.verify(place)
for name in sorted(os.listdir(place)):
    with open(os.path.join(place, name)) as file:
        print(latest.version, name, file.read().strip())
for run in api.runs("demo/vit-prisma", order="+created_at"):
    for artifact in sorted(run.logged_artifacts(), key=lambda artifact: artifact.version):
        if artifact.type == "model":
            path = artifact.download(os.path.join(folder, artifact.version))
            print(run.id, artifact.type, artifact.version, artifact.size, sorted(os.listdir(path)))
            print(artifact.get_path("model.txt").size, list(artifact.manifest.entries))
producer = latest.logged_by()
print(producer.id, [run.id for run in latest.used_by()])
