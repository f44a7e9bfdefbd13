"""Scoring whole tables of creatives."""
