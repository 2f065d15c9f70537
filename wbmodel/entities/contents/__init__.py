"""What is in an artifact version, and what it is connected to: manifests, files, references, tables, lineage.

:mod:`.manifest` reads manifests, :mod:`.located` the bytes that they list, :mod:`.references` follows what is kept
elsewhere, :mod:`.folder` compares a folder with a manifest, :mod:`.tables` reads tables, :mod:`.lineage` the graph.
:mod:`.transfers` and :mod:`.files` download. The verbs of what has bytes are in :mod:`.content`.
"""
