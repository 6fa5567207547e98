"""Many series: a plan of what a repository holds, the work on it, and the tables of the answers."""
