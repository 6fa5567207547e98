"""The report of a repository, made from its plan and parts alone at any time of the run."""
