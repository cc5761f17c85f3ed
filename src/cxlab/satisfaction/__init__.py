"""How satisfied customers are, where, and whether it changed."""
