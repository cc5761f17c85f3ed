"""Parts of the value model: rows, likelihoods of repeat buying, of spend and of contracts, forecasts, holdouts."""
