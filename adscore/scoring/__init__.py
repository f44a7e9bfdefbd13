"""Creatives -> scores: preparation, text and image, graphs, cache, grids, scorer."""
