"""A simulated campaign log: drawn banners, written headlines, counts from planted effects.

Everything this package writes is a simulation. It needs numpy and Pillow only.
"""

from adscore.sample.writer import SampleSummary, write_sample

__all__ = ["SampleSummary", "write_sample"]
