"""The kinds of cells, each one file: its recipe, what it costs, which cells there are.

A file is called by its kind, the first word of its cells' ids, so that `prepared/roct` is looked for in
`prepared.py`; what a cell's maker does stands in a room below, in a module that may bear the same word.
"""
