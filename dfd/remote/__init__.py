"""Studies in an archive that speaks DICOMweb: fetched, scored like a folder, results stored back. requests and dicomweb-client live here."""
