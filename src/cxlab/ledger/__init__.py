"""Were we right: forecasts of the period before held against what came, and the record of all of them."""
