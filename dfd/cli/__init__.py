"""Words in, exit code out: the command line.

The only package that prints, and the only one that imports argparse.
"""
