"""Chest phantoms with the physics of noise, written as DICOM.

For the demonstration and the tests, never for training or calibration.
"""

from dfd.phantom.anatomy import Anatomy, draw_anatomy
from dfd.phantom.ct import CtScan, ct_slice, scan_ct
from dfd.phantom.dicom import write_ct_series, write_mr_series
from dfd.phantom.mr import MrScan, mr_slice
from dfd.phantom.study import write_demo_study

__all__ = [
    "Anatomy",
    "CtScan",
    "MrScan",
    "ct_slice",
    "draw_anatomy",
    "mr_slice",
    "scan_ct",
    "write_ct_series",
    "write_demo_study",
    "write_mr_series",
]
