"""The working tree beside the revision that the rebuilding started from: what both answer to the same questions.

``test_differential.py`` holds it, ``python -m tests.differential --quick`` looks at a part of it in seconds.
"""
