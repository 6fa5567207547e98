"""The thin MONAI and Ignite side that the bundles' JSON names."""

from dfd.bundle import old_paths

old_paths.install()
