"""Expensive results as cells: recipes, their keys, the store that holds them, and who computes them."""
