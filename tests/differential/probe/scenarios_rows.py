"""Scenarios of single rows, line by line: deleting, refreshing, saving parts, steering sweeps, waiting, copies."""

from __future__ import annotations

__all__ = ["ROWS"]

_TEXT = r"""
# delete a run
row = kept()
row.delete()
row.delete()
row.name
row.refresh()
row.save()
row.name = 'x'
row.save()
# delete a run with artifacts
kept().delete(delete_artifacts=True)
kept('r2').delete(delete_artifacts=3)
# delete async
kept().adelete()
Run.objects.filter(group='even').adelete()
Run.objects.count()
# delete others
Report.objects.get(id='rep1').delete()
Report.objects.count()
Project.objects.get(path='acme/empty').delete()
Project.objects.filter(entity='acme').count()
Sweep.objects.get(id='sw').delete()
Sweep.objects.all().delete()
# delete a report and not its drafts
Report.objects.get(id='rep1').delete(delete_drafts=False)
# bulk delete
Run.objects.delete()
told(Run.objects.filter(group='odd').delete(dry_run=True))
told(Run.objects.filter(group='odd').delete(delete_artifacts=True))
told(Run.objects.all().delete(at_once=1))
told(Run.objects.all().delete())
Run.objects.all()[:1].delete()
Run.objects.all().delete(delete_artifacts=3)
Report.objects.all().delete(delete_artifacts=True)
told(Report.objects.all().delete(delete_drafts=False))
told(Project.objects.filter(entity='acme').delete())
# bulk delete with a journal
told(Run.objects.filter(group='odd').delete(journal=folder / 'j'))
(folder / 'j').read_text()
told(Run.objects.filter(group='odd').delete(journal=folder / 'j'))
# refresh
row = kept()
other = kept()
other.name = 'new'
other.config['x'] = 1
other.save()
row.name
row.refresh()
row
row.name = 'mine'
row.refresh()
row.name
row.dirty_fields
row.arefresh()
Sweep.objects.get(id='sw').refresh()
Report.objects.get(id='rep1').refresh()
Project.objects.get(path='acme/vision').refresh()
# refresh a part
row = Run.objects.only('name').get(id='r1')
row.refresh()
row
row.config
row = Run.objects.select_related('project').get(id='r1')
row.refresh()
row
# save a part
row = Run.objects.only('name').get(id='r1')
row.name = 'n'
row.config = {'a': 1}
row.dirty_fields
row.save()
row.notes
row.notes = 'm'
row.save(['notes'])
kept()
# save some fields
row = kept()
row.name, row.notes = 'n', 'm'
row.save(['name'])
row.dirty_fields
row.save(update_fields=[])
row.save('notes')
row.save(['nothing'])
row.save(['state'])
row.save(['config'])
row.save([3])
row.save(3)
# save with a look
row = kept()
other = kept()
other.name = 'other'
other.save()
row.notes = 'm'
row.save(check=True)
row.name = 'mine'
row.save(check=True)
row.save()
row.save(check=True)
other.delete()
row.notes = 'z'
row.save(check=True)
row.save()
# sweeps
row = Sweep.objects.get(id='sw')
row.pause()
row.state
row.pause()
row.resume()
row.state
row.stop()
row.state
row.resume()
row.refresh()
row.state
row.cancel()
row.state
row.pause()
# sweeps async
row = Sweep.objects.get(id='sw')
row.apause()
row.aresume()
row.astop()
row.acancel()
row
# sweeps in part
row = Sweep.objects.only('name').get(id='sw')
row.pause()
row.state
row.best_run()
Sweep.objects.get(id='sw').best_run()
Sweep.objects.get(id='sw').best_run('summary.loss')
# what cannot be written
row = Artifact.objects.filter(collection='x')
User.objects.first().name = 'x'
User.objects.first().save()
del kept().name
kept().tags.append(3)
Run().save()
Run(name='x')
# waiting
kept().wait(timeout=0)
kept().wait(0, until='running')
kept().wait(0, until='nonsense')
kept().wait(-1)
kept().wait(0, interval=0)
kept().await_(timeout=0)
kept().wait(0, until=3)
list(Run.objects.all().watch(interval=0.01, timeout=0, existing=True))
Run.objects.all().watch(interval=0)
Run.objects.all()[:2].watch()
Run.objects.values('id').watch()
# watching
w = Run.objects.all().watch(interval=0.01, timeout=30, existing=True)
[next(w) for _ in range(5)]
r = kept(); r.name = 'n'; r.save()
next(w)
r.delete()
next(w)
Run.objects.create(id='late')
next(w)
# session
session.execute('{ viewer { username } }').data
session.execute('{ nonsense }')
session.execute('mutation { nothing }')
session.stats.requests > 0
repr(session)
session.project
session.entity
session.url
session.app_url
# copies
import copy, pickle
row = kept()
row.name = 'n'
copy.copy(row).dirty_fields
copy.deepcopy(row).dirty_fields
pickle.loads(pickle.dumps(row)).dirty_fields
pickle.loads(pickle.dumps(row)).save()
kept()
"""


def _scenarios(text: str) -> dict[str, list[str]]:
    """A scenario for each heading (``# name``), with the lines below it."""
    made: dict[str, list[str]] = {}
    for line in text.strip().splitlines():
        if line.startswith("# "):
            made[line[2:]] = steps = []
        else:
            steps.append(line)
    return made


ROWS = _scenarios(_TEXT)
