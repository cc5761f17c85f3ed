"""What is there, what is missing, and how far it can be trusted."""
