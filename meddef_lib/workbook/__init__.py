"""The workbook: its cells, the engine that computes them, and the runner of its notebooks."""
