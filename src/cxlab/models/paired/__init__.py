"""Parts of the model of expectation and experience: bivariate probabilities, data, density, what is reported."""
