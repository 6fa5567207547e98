"""Slice + network -> what the network expects in each pixel while that pixel is hidden."""
