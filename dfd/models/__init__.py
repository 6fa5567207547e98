"""The file of a model: weights, with the calibration and the bundle's name that belong to them."""
