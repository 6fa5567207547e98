"""The points file: CSV in, ``Point`` records out, one per row; a bad row keeps its place and says what is wrong.

``layout`` turns bytes into a table, ``lookup`` finds files, ``rows`` makes records of both.
"""

from dfd.points.layout import role_of
from dfd.points.lookup import find_points_file
from dfd.points.rows import read_points

__all__ = ["find_points_file", "read_points", "role_of"]
