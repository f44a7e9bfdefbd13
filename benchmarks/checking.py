"""Does adscore check find what is wrong with a creative, and nothing else? See docs/checking.md."""
