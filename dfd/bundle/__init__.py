"""The thin MONAI and Ignite side that the bundles' JSON names."""
