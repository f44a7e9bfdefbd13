"""A server as a process: signals, settings of the interpreter, several workers."""
