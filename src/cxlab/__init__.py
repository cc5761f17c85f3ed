"""A research workspace for customer experience: what customers say, what they do, and what it is worth."""

__version__ = "0.1.0"
