"""A module a kind of cell, found by `workbook.kinds`: its recipe, what it costs, how it is loaded."""
