"""What the bundles' train.json names."""
