"""Models that the benchmarks make and load."""
