"""The networks of the bundles."""
