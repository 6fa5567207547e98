"""A study of an archive that speaks DICOMweb, scored like a folder; results are stored back."""
