"""Predicted prior and live counts -> which creative of a group to run."""

from adscore.decision.posterior import Evidence, Posterior, find_posterior

__all__ = ["Evidence", "Posterior", "find_posterior"]
