"""phantoms/<data set>: the folder of made-up images, which the data set's other cells start from."""

from meddef_lib.workbook.kinds import Kind

KIND = Kind("phantoms", place=0, seconds=lambda recipe, costs: costs.seconds_of_files(recipe))
