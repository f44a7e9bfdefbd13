"""Published encoders: their folders, their frozen graphs, and the cache of their outputs."""
