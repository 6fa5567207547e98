"""Concepts of the DICOM results that no public scheme has.

They are explained in docs/reference/dicom.md; a code never changes its meaning.
"""

from __future__ import annotations

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.sr.coding import Code

from dfd.records import Form, Verdict

SCHEME = "99DFD"
"""Private scheme (PS3.16 chapter 8: 99 and up to 14 letters)."""


def scheme() -> CodingSchemeIdentificationItem:
    """What the SR says of the private scheme."""
    return CodingSchemeIdentificationItem(
        SCHEME, name="deepfakes-detector", responsible_organization="deepfakes-detector"
    )


def _own(value: str, meaning: str) -> Code:
    return Code(value, SCHEME, meaning)


SCORE = _own("SCORE", "Score: -log10 of the p-value")
P_VALUE = _own("P_VALUE", "How often genuine regions look at least as strange")
FALSE_ALARMS = _own("FALSE_ALARMS", "Expected number of such regions in a genuine slice")
VERDICT = _own("VERDICT", "Verdict")
FORM = _own("FORM", "Kind of edit the evidence speaks for")
EXTRAPOLATED = _own("EXTRAPOLATED", "Beyond what the calibration patients support")

POINT = _own("POINT", "Region that was asked about")
SLICE = _own("SLICE", "Slice that was screened as a whole")
SERIES = _own("SERIES", "Series that was screened as a whole")
SUSPICIOUS = _own("SUSPICIOUS", "Region unlike genuine tissue")

VERDICTS = {
    Verdict.NO_ANOMALY: _own("NO_ANOMALY", "No anomaly found"),
    Verdict.UNUSUAL: _own("UNUSUAL", "Unusual"),
    Verdict.STRONGLY_UNUSUAL: _own("STRONGLY_UNUSUAL", "Strongly unusual"),
    Verdict.NOT_ASSESSABLE: _own("NOT_ASSESSABLE", "Not assessable"),
    Verdict.UNREADABLE: _own("UNREADABLE", "Unreadable"),
    Verdict.NOT_REACHED: _own("NOT_REACHED", "Not reached before the run was stopped"),
}
FORMS = {
    Form.ADVERSARIAL_NOISE: _own("NOISE", "Adversarial noise"),
    Form.COPY_MOVE: _own("COPY_MOVE", "Copy-move"),
    Form.AI_EDIT: _own("AI_EDIT", "AI edit"),
    Form.UNDETERMINED: _own("UNDETERMINED", "Undetermined form"),
}

# Public concepts, as PS3.16 and UCUM write them.
RADIUS = Code("131190003", "SCT", "Radius")
COMMENT = Code("121106", "DCM", "Comment")
YES, NO = Code("373066001", "SCT", "Yes"), Code("373067005", "SCT", "No")
IMAGING = Code("363679005", "SCT", "Imaging procedure")
CHEST = Code("51185008", "SCT", "Chest")
SPATIAL = Code("309825002", "SCT", "Spatial and Relational Concept")
ARTIFICIAL_INTELLIGENCE = Code("123109", "DCM", "Artificial Intelligence")
NO_UNITS = Code("1", "UCUM", "no units")
MILLIMETRE = Code("mm", "UCUM", "millimeter")
