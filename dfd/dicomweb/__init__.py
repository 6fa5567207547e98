"""An archive that speaks DICOMweb: who asks it, and what is listed, fetched and stored.

Requests and dicomweb-client live here.
"""
