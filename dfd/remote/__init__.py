"""Studies in an archive that speaks DICOMweb: fetched, scored like a folder, results stored back.

Requests and dicomweb-client live here.
"""
