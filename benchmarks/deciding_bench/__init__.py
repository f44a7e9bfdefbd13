"""What `deciding.py` measures, a file a question."""
