"""The models that a server holds: found in a folder, opened, swapped as versions come and go."""
