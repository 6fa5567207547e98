"""Words in, exit code out: the command line.

The only room that prints, and the only one that knows argparse.
"""
