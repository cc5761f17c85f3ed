"""Growth: from a rating to what customers do afterwards, in one posterior."""
