"""The parts of `benchmarks/quality.py`: tasks, columns, figures and the table made of them."""
