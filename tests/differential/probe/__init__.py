"""What is asked of both copies of the library. Imports the standard library and wbmodel's public paths only, as the
same files run against the starting revision and against the working tree.
"""
