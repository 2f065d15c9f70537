"""What backends that read files in place share: a walk, an index, a report, and the base class
:class:`~wbmodel_files.backend.FilesBackend`.

A backend of files derives from it and says which files belong together (*units*), what is to be remembered of a unit (a
``msgspec.Struct``, kept in the index), and which runs follow. ``wbmodel_tensorboard`` is the example.
"""

from wbmodel_files.backend import FilesBackend, Found, Unit
from wbmodel_files.report import Damage, Report
from wbmodel_files.scan import Folder, Progress, Stat

__all__ = ["Damage", "FilesBackend", "Folder", "Found", "Progress", "Report", "Stat", "Unit"]
