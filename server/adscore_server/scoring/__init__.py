"""The services: wire messages in, scores out, in batches."""
