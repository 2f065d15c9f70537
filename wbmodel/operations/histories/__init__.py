"""Read the histories of runs: every row that was logged, from whatever the backend offers, with a proof that it is all.

:mod:`.pieces` says what a reading gives. :mod:`.read` chooses how to read: the columns door, whole rows by documents,
or asked keys by documents.
"""
