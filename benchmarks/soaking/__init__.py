"""Does the server hold up? The parts of benchmarks/soak.py."""
