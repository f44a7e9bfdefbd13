"""Creatives of the sample with what was planted in them, and measures of explanations."""
