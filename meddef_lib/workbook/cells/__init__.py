"""The kinds of cells: their recipes, what they cost, which there are. Each module says its own as `KINDS`.

Kinds that are made of one another stand together; the lines above a module say the ids of its cells, so that
`grep gallery/` finds them. What a maker does stands in a room below.
"""
