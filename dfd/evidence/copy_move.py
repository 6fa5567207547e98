"""Copy-move evidence: does the noise of a region stand a second time elsewhere? Not measured yet; see ``dfd.evidence.OFFERED``."""

FAMILY = "copy_move"
