"""Which runs does each report of a project show?"""

from wandb import Api

api = Api()
for report in sorted(api.reports("demo/wandb-sdk-tests", per_page=10), key=lambda report: report.name):
    groups = report.spec.get("panelGroups")
    print(report.name, "-", report.description or "no description", "- old" if groups else "- new")
    for section in groups or []:
        sets = section.get("runSets")
        if sets:
            print("   ", section["name"], sorted(run.id for run in report.runs(section)))
