"""The library behind the MedDef reproducibility workbook.

Every module is named by its one concept. Parameters come first, then data, models and attacks, then training
and evaluation, then the workbook; `results` and `report` work on files and import no torch.
"""

__version__ = "0.1.0"
