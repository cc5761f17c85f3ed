"""What customers are worth, who they are, who comes back."""
