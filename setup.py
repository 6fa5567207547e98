"""Says where the packages lie; everything else stands in ``pyproject.toml``.

The bundles live beside the code in a checkout (MONAI wants a plain folder) and inside the package
when installed. ``pyproject.toml`` cannot both find packages and map a folder that lies elsewhere,
hence these lines.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["dfd", "dfd.*"]), "dfd.bundles"],
    package_dir={"dfd.bundles": "bundles"},
)
