"""The table of evidence families. A new one is one file beside this one and one line here; families without an entry are not offered to users."""

from dfd.evidence import noise

OFFERED = {
    noise.FAMILY: noise,
}
