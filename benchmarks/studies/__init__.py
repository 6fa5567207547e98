"""Single questions about the method or the code, each answered by one command."""
