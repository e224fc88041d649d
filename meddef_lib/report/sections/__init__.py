"""The sections of the report in the paper's order; a notebook shows the same tables and figures."""
