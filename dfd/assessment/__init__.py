"""From points to findings: records in, records out, and no framework."""
