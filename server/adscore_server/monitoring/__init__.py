"""What an operator sees: health, logs, metrics, traces."""
