"""Points files as people write them, and damaged ones of them."""

from __future__ import annotations

import random

from benchmarks.fuzz.cases import Mutant
from benchmarks.fuzz.damage import damaged

STARTS = (
    "filename,X,Y\np1/a.dcm,10,20\np1/b,30.5,40.25\n",
    "filename,X,Y,frame,radius,label,note\np1/a.dcm,10,20,1,8.5,0,first\nb.dcm,1,2,,,1,\n",
    "filename;X;Y\np1/a.dcm;10,5;20,25\np1/b.dcm;30;40\n",
    "filename\tX\tY\np1/a.dcm\t10\t20\n",
    "| filename(.dcm) | X | Y |\n|---|---|---|\n| p1/a.dcm | 10 | 20 |\n",
    "p1/a.dcm,10,20\np1/b.dcm,30,40\n",
    "filename\np1/a.dcm\np1/b.dcm\n",
    "sep=;\nfilename;X;Y\np1/a.dcm;10;20\n",
    'filename,"X","Y","note"\n"p1/a.dcm","10","20","a ""q"" word"\np1/b.dcm,1,2,"two\nlines"\n',
    "filename,x_mm,y_mm,z_mm\np1/a.dcm,0.5,-3.25,-50.1\np1,1,2,3\n",
    "filename,coordX,coordY\np1/a.dcm,10,20\n",
    "seriesuid,coordX,coordY,coordZ\n1.2.3,10,20,-30\n",
    "path,col,row\np1\\a.dcm,10,20\n",
    '="p1/a.dcm",="10",="20"\n',
    "# a comment\nfilename,X,Y\np1/a.dcm,10,20\n",
    "filename,X [px],Y [px],PatientName\r\np1/a.dcm,10,20,A^B\r\n\r\np1/b.dcm,1,2,C\r\n",
    "Filename,X,Y,Z\nü/é.dcm,10,20,3\nvolume.nii.gz,3,4,2\n",
)
CELLS = (
    *(
        "",
        " ",
        "0",
        "-0",
        "-1",
        "1e400",
        "-1e400",
        "1e-400",
        "nan",
        "inf",
        "0x10",
        "1_000",
        "1.000,5",
    ),
    *("1,024", "10.", ".5", "1e5", "99999999999999999999", "2147483648", "\u0661\u0662", "\uff11"),
    *("../../a.dcm", "/etc/hostname", "C:\\a.dcm", "~/a.dcm", "p1/./a.dcm", "p1//a.dcm", "p1/"),
    *(
        "a" * 70000,
        "p1/" * 3000,
        "\x00",
        "a\x00b",
        "\ufeff",
        "\u202e",
        "\ud7ff",
        "\u0301",
        "e\u0301",
    ),
    *(
        "=1+1",
        '="10"',
        '"',
        '""',
        "'",
        "\\",
        "\r",
        "\x0b",
        "\x1c",
        "\x85",
        "\u2028",
        "|",
        ";",
        "\t",
    ),
    *("filename", "X", "Y", "x_mm", "frame", "radius", "label", "p1/A.DCM", "a", "true", "yes"),
)
"""Cells that are too long, no numbers, or mean something else."""
MOST_CHARACTERS = 300_000
"""Changes are not to add up: a million rows rightly take a minute."""
ENCODINGS = (
    "utf-8",
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "latin-1",
    "utf-32",
    "cp1252",
)


def mutant(rng: random.Random) -> Mutant:
    """A damaged points file."""
    text = rng.choice(STARTS)
    story: tuple[str, ...] = (f"table {STARTS.index(text)}",)
    if rng.random() < 0.7:
        text, changes = _edited(rng, text)
        story += changes
    encoding = rng.choice(ENCODINGS) if rng.random() < 0.3 else "utf-8"
    content = text.encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace")
    story += (encoding,)
    if len(story) == 2 or rng.random() < 0.3:
        content, changes = damaged(rng, content, [each.encode() for each in STARTS])
        story += changes
    return Mutant(content, ".csv", story)


def _edited(rng: random.Random, text: str) -> tuple[str, tuple[str, ...]]:
    """Cells, lines and separators changed."""
    changes = []
    for _ in range(rng.randint(1, 4)):
        lines = text.split("\n")
        separator = max(",;\t|", key=text.count)
        what = rng.choice(("cell", "cell", "cell", "line", "many", "separator", "ends", "quote"))
        number = rng.randrange(len(lines))
        if what == "cell":
            cells = lines[number].split(separator)
            cells[rng.randrange(len(cells))] = rng.choice(CELLS)
            lines[number] = separator.join(cells)
        elif what == "line":
            lines.insert(number, rng.choice(("", ",,,", rng.choice(lines), ",".join(CELLS[:9]))))
        elif what == "many":
            lines[number:number] = [rng.choice(lines)] * rng.choice((2, 50, 2000))
        elif what == "separator":
            lines[number] = lines[number].replace(separator, rng.choice(",;\t| "))
        elif what == "quote":
            place = rng.randrange(len(lines[number]) + 1)
            lines[number] = f'{lines[number][:place]}"{lines[number][place:]}'
        text = (
            rng.choice(("\r\n", "\r", "\n\n")).join(lines) if what == "ends" else "\n".join(lines)
        )
        text = text[:MOST_CHARACTERS]
        changes.append(f"{what} in line {number + 1}")
    return text, tuple(changes)
