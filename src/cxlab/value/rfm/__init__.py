"""What customers bought and when, what else is known of them, and forecasts tried on the past."""
