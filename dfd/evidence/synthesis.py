"""Synthesis evidence: traces of generation, blending and resampling. Not measured yet; see ``dfd.evidence.OFFERED``."""

FAMILY = "synthesis"
