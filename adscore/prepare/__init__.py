"""Exports of ad platforms, as they are -> one checked table, a row a creative."""
