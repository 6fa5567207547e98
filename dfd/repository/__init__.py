"""Many series: planned, screened and reported as one repository."""
