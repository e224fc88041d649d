"""notebook/<name>.<data set>: a notebook, executed; which there are stands in `workbook.notebooks`."""

from meddef_lib.workbook.kinds import Kind

SECONDS = 8.0
MIB = 1.0  # executed, and as a page

KINDS = (Kind("notebook", place=9, seconds=lambda recipe, costs: SECONDS, mib=lambda recipe, costs: MIB),)
