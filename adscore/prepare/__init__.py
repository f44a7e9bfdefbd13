"""Turns unedited exports of ad platforms into one checked table, with a row per creative."""
