"""What surrounds every call: its threads, its id, its status."""
