"""Which columns are taken for file, pixel and millimetres; numbers that nothing explains."""

from __future__ import annotations

import re

import pytest

from dfd.errors import PointsError
from dfd.points import role_of, roles_of

PIXELS = [
    "coordX,coordY",
    "coord_x,coord_y",
    "xcoord,ycoord",
    "x_coordinate,y_coordinate",
    "x_px,y_px",
    "xpx,ypx",
    "px_x,px_y",
    "pixel_x,pixel_y",
    "x_pixel,y_pixel",
    "Pixel X,Pixel Y",
    "center_x,center_y",
    "centre_x,center_y",
    "cx,cy",
    "pos_x,pos_y",
    "posX,posY",
    "X Position,Y Position",
    "img_x,img_y",
    "voxelX,voxelY",
    "col,row",
    "Column,Row",
    "column,line",
    "X (px),Y (px)",
    "X [pixels],Y [pixels]",
]
MILLIMETRES = [
    "x_mm,y_mm,z_mm",
    "X (mm),Y (mm),Z (mm)",
    "X [mm],Y [mm],Z [mm]",
    "X_MM,Y_MM,Z_MM",
    "coordX,coordY,coordZ",
    "worldX,worldY,worldZ",
    "world_x,world_y,world_z",
    "patient_x,patient_y,patient_z",
    "lps_x,lps_y,lps_z",
    "center_x_mm,center_y_mm,center_z_mm",
]


@pytest.mark.parametrize("names", PIXELS)
def test_common_names_of_pixels_are_taken(points_of, names):
    (point,) = points_of(f"filename,{names}\na,3,4\n")
    assert (point.x, point.y, point.patient_mm, point.error) == (3.0, 4.0, None, "")
    assert list(point.cells) == ["filename", *names.split(",")]


@pytest.mark.parametrize("names", PIXELS)
def test_their_order_does_not_matter(points_of, names):
    x, y = names.split(",")
    (point,) = points_of(f"{y},filename,{x}\n4,a,3\n")
    assert (point.x, point.y) == (3.0, 4.0)


@pytest.mark.parametrize("names", MILLIMETRES)
def test_common_names_of_millimetres_are_taken(points_of, names):
    (point,) = points_of(f"filename,{names}\na,-3.5,4,-5\n")
    assert point.patient_mm == (-3.5, 4.0, -5.0)
    assert not point.is_screening
    assert not point.error


@pytest.mark.parametrize(
    "name",
    ["file", "File", "path", "file_path", "image", "image_path", "dicom", "DCM", "SOPInstanceUID"],
)
def test_common_names_of_the_file_are_taken(points_of, data, name):
    (point,) = points_of(f"{name},X,Y\na,3,4\n")
    assert (point.path, point.filename, point.error) == (data / "p1/a.dcm", "a", "")


@pytest.mark.parametrize(
    ("name", "cell", "field"),
    [
        ("frame_number", "3", "frame"),
        ("radius_mm", "7.5", "radius_mm"),
        ("radius (mm)", "7.5", "radius_mm"),
        ("ground_truth", "1", "label"),
    ],
)
def test_common_names_of_optional_columns_are_taken(points_of, name, cell, field):
    (point,) = points_of(f"filename,X,Y,{name}\na,3,4,{cell}\n")
    assert getattr(point, field) == float(cell)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("filename,X,Y,row,col", "a,3,4,17,18"),
        ("filename,X,Y,file,path,image", "a,3,4,zz,p9,18"),
        ("filename,X,Y,coordX,coordY", "a,3,4,17,18"),
        ("filename,X,Y,coordX,coordY,coordZ", "a,3,4,17,18,19"),
        ("filename,X,Y,x_mm,y_mm,z_mm", "a,3,4,17,18,19"),
        ("filename,X,Y,X (mm),Y (mm)", "a,3,4,17,18"),
        ("filename,X,Y,radius,radius_mm", "a,3,4,10,11"),
        ("path,SOPInstanceUID,X,Y", "a,1.2.3,3,4"),
        ("seriesuid,filename,X,Y", "1.2.3,a,3,4"),
        ("filename,x_px,y_px,coordX,coordY,coordZ", "a,3,4,17,18,19"),
    ],
)
def test_the_names_of_the_manual_go_first(points_of, data, header, row):
    """A table that was understood before stays what it was: other columns are carried along."""
    (point,) = points_of(f"{header}\n{row}\n")
    assert (point.path, point.x, point.y, point.error) == (data / "p1/a.dcm", 3.0, 4.0, "")
    assert point.patient_mm is None
    assert list(point.cells.values()) == row.split(",")
    assert point.radius_mm in (None, 10.0)


def test_a_row_without_pixels_is_asked_for_its_millimetres(points_of):
    text = "filename,X,Y,x_mm,y_mm,z_mm\na,3,4,5,6,7\na,,,5,6,7\na,,,,,\n"
    pixels, millimetres, whole = points_of(text)
    assert (pixels.x, pixels.y, pixels.patient_mm) == (3.0, 4.0, None)
    assert millimetres.patient_mm == (5.0, 6.0, 7.0)
    assert [point.is_screening for point in (pixels, millimetres, whole)] == [False, False, True]


@pytest.mark.parametrize(
    ("header", "match"),
    [
        ("filename,x_px,y_px,col,row", "2 columns that mean 'x'"),
        ("file,path,X,Y", "2 columns that mean 'filename'"),
        ("filename,world_x,world_y,world_z,lps_x,lps_y,lps_z", "2 columns that mean 'x_mm'"),
        ("filename,X,Y,radius_mm,r_mm", "2 columns that mean 'radius'"),
        ("filename,x,row", r"has no column Y \(found 'filename', 'x', 'row'\)"),
        ("filename,X,coordY", "has no column Y"),
        ("filename,x_mm,y_mm", r"has no column z_mm .*needs x_mm, y_mm and z_mm"),
        ("filename,X [mm],Y [mm]", r"has no column z_mm \(found 'filename', 'X \[mm\]'"),
        ("filename,X,Y,radius [px]", r"a radius in pixels \('radius \[px\]'\)"),
        ("filename,X,Y,radius [cm]", r"another unit than mm \('radius \[cm\]'\)"),
        ("filename,X,Y,radius_px", r"another unit than mm \('radius_px'\)"),
        ("filename,X (1-based),Y (1-based)", "but no columns X and Y"),
        ("filename,X (0-1),Y (0-1)", "but no columns X and Y"),
        ("filename,pos_x [cm],pos_y [cm]", "but no columns X and Y"),
        ("filename,X (mm LPS),Y (mm LPS)", "has no column z_mm"),
        ("filename,x_mm (RAS),y_mm (RAS),z_mm (RAS)", "but no columns X and Y"),
        ("filename,x,y,width,height", "gives boxes"),
    ],
)
def test_what_may_be_meant_twice_or_by_half_is_refused(points_of, header, match):
    cells = ",".join(["a"] + ["1"] * header.count(","))
    with pytest.raises(PointsError, match=match):
        points_of(f"{header}\n{cells}\n")


@pytest.mark.parametrize(
    "names",
    [
        "x1,y1",
        "xmin,ymin",
        "i,j",
        "row,line",
        "line",
        "age",
        "left,top",
        "cx,pos_y",
        "coordX,y_px",
        "X (cm),Y (cm)",
        "x [%],y [%]",
        "slice_x,slice_y",
    ],
)
@pytest.mark.parametrize("cells", ["185,345", "185.5,34.5", "-4,12", '"=""185""",2'])
def test_numbers_without_a_meaning_are_never_screened(points_of, names, cells):
    cells = cells if "," in names else cells.split(",")[0]
    if cells == '"=""185""",2' and "," not in names:
        cells = '"=""185"""'
    quoted = ", ".join(repr(name) for name in names.split(","))
    expected = f"has numbers in {quoted} but no columns X and Y (found 'filename', {quoted})"
    with pytest.raises(PointsError, match=re.escape(expected)) as caught:
        points_of(f"filename,{names}\na,{cells}\n")
    assert "add empty columns X and Y to have whole slices screened" in str(caught.value)


def test_one_number_in_one_row_is_enough(points_of):
    with pytest.raises(PointsError, match="has numbers in 'where'"):
        points_of("filename,where\na,left\nb,17\n")


@pytest.mark.parametrize(
    "text",
    [
        "filename\na\n",
        "filename,note,who\na,left lung,p1\n",
        "filename,frame,radius,label\na,2,10,1\n",
        "filename,date\na,2024-01-02\n",
        "filename,X,Y,age\na,,,57\n",
        "filename,info,2nd reader\na,x,y\n",
        "file;coordX;coordY\na;;\n",
    ],
)
def test_a_file_name_by_itself_is_screened(points_of, text):
    (point,) = points_of(text)
    assert point.is_screening


DEPTHS = ["X,Y,z", "x,y,Z", "X,Y,z_mm", "cx,cy,cz", "x_px,y_px,z_px", "pos_x,pos_y,pos_z"]


@pytest.mark.parametrize("names", DEPTHS)
def test_a_depth_beside_pixels_is_not_dropped(points_of, names):
    depth = names.rpartition(",")[2]
    with pytest.raises(PointsError, match=rf"a column '{depth}' beside X and Y.*x_mm, y_mm, z_mm"):
        points_of(f"filename,{names}\na,3,4,5\n")


def test_a_depth_without_numbers_is_carried_along(points_of):
    (point,) = points_of("filename,X,Y,z\na,3,4,\n")
    assert (point.x, point.error, point.cells["z"]) == (3.0, "", "")


def test_the_printed_table_of_world_coordinates(points_of):
    with pytest.raises(PointsError, match="a column 'z' beside X and Y"):
        points_of("filename | z | x | y\na | -67.08 | 72.97 | 49.02\na | -67.08 | -72.97 | 49.02\n")


@pytest.mark.parametrize(
    "rows", ["a,72.97,49.02\na,-72.97,49.02\n", "a,7,9\na,-8,9\na,9,-9\n", "a,-1.5,3\n"]
)
def test_pixels_below_zero_are_millimetres(points_of, rows):
    match = "with X or Y below 0: these look like millimetres.*x_mm, y_mm, z_mm"
    with pytest.raises(PointsError, match=match):
        points_of(f"filename,X,Y\n{rows}")


@pytest.mark.parametrize(
    "table",
    [
        "filename,X,Y\na,7,9\na,-8,9\n",  # one whole number: a slip
        "filename,X,Y\n" + "a,7,9\n" * 19 + "a,-8.5,9\n",  # one of twenty
        "filename,X,Y\na,7,9\na,-0.5,9\na,-0.25,-0.5\n",  # beside the edge
        "filename,x_px,y_px\na,7,9\na,-8.5,9\na,-9.5,9\n",  # said to be pixels
    ],
)
def test_a_slip_costs_its_row(points_of, table):
    good, *others = points_of(table)
    assert not good.error
    match = r"is negative \('.*'\); pixels are counted from 0; name the columns x_mm, y_mm, z_mm"
    assert re.search(match, others[-1].error)


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("coordX", "x"),
        ("X (mm)", "x_mm"),
        ("z", ""),
        ("slice_file", "filename"),
        ("SOPInstanceUID", "filename"),
        ("X (cm)", ""),
        ("source_x", ""),
        ("source_file", ""),
        ("score", ""),
        ("info", ""),
    ],
)
def test_what_a_name_may_mean_by_itself(name, role):
    assert role_of(name) == role


def test_results_can_be_handed_in_again():
    """The columns of scores.csv keep their meaning when that file is used as a points file."""
    from dfd.outputs.scores import result_columns

    names = ("filename", "X", "Y", *result_columns())
    expected = {"filename": "filename", "X": "x", "Y": "y", "radius_mm": "radius"}
    assert dict(zip(names, roles_of(names), strict=True)) == dict.fromkeys(names, "") | expected
    names = ("filename", "x_mm", "y_mm", "z_mm", "slice_file", "slice_frame", "slice_x", "slice_y")
    assert roles_of(names) == names
