"""Commands that make every number this project states of itself. Never imported by ``dfd``."""
