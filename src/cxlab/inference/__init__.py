"""One engine for all models: modes, importance sampling, NUTS, convergence gates, draws -> tidy numbers."""
