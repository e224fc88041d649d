"""The sections of the report in the paper's order; a notebook shows the same tables and figures.

A section that draws one part of the document has the name of that part (`results.parts`), and a part of
what one kind of cell made that of the cell.
"""
