"""From image files to an audited, prepared data set (MedDef, 3.1): sources, splits, preprocessing, audit."""
