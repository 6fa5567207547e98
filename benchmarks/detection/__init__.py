"""How well manipulations are detected: every attack, every baseline."""
