"""What several benchmarks need: processes, a trained model, tables."""
