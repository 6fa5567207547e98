"""The version of this package, which a wheel and every module read here."""

__version__ = "0.1.0"
