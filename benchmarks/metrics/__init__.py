"""Numbers from scores: ROC curves, and intervals over patients."""
