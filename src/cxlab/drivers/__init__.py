"""What drives satisfaction: shares of the ratings, pains and wows, what if it were better."""
