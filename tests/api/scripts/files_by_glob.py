"""Download the files of a run whose names match a pattern."""

import fnmatch
import os
import tempfile

from wandb import Api

api = Api()
run = api.run("demo/vit-prisma/0lhwu6v9")
folder = tempfile.mkdtemp()
for file in sorted(run.files(), key=lambda file: file.name):
    if fnmatch.fnmatch(file.name, "*.txt") or file.name == "config.yaml":
        file.download(root=folder, replace=True)
        print(file.name, file.size, os.path.getsize(os.path.join(folder, file.name)))
with open(os.path.join(folder, "config.yaml")) as opened:
    print(opened.read().strip())
try:
    run.file("config.yaml").download(root=folder)
except Exception as error:
    print(type(error).__name__)
print([file.name for file in run.files(names=["config.yaml"])])
