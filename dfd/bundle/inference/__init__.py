"""What the bundles' inference.json names."""
