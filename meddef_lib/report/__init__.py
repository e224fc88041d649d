"""The report: one self-contained page from what a run wrote, in the paper's own order. No torch in here."""
