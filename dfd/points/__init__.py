"""The points file: CSV in, ``Point`` records out, one per row.

A bad row keeps its place and says what is wrong.

``columns`` says what a table's columns mean, ``layout`` turns bytes into a table, ``lookup`` finds
files, ``rows`` makes records of these. ``patient_coordinates`` finds slice and pixel of a place in
millimetres.
"""

from dfd.points.columns import role_of, roles_of
from dfd.points.lookup import find_points_file
from dfd.points.rows import read_points

__all__ = ["find_points_file", "read_points", "role_of", "roles_of"]
