"""examined/<data set>: one look at every file, which the audit and the removal of duplicates start from."""

from meddef_lib.workbook.kinds import Kind

KIND = Kind("examined", place=0, seconds=lambda recipe, costs: costs.seconds_of_files(recipe))
