"""Parts of the model of the second purchase: customer-weeks, their hazard, averages over customers."""
