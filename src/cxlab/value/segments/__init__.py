"""Segments of customers: their limits, moves and next stages, what they told, which grouping foretells best."""
