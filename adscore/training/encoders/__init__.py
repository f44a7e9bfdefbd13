"""Published encoders: their folders, their frozen graphs, and what is kept of their outputs."""
