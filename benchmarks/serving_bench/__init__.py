"""How fast is the server? The parts of benchmarks/serving.py."""
