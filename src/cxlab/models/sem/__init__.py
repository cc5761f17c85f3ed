"""Parts of the satisfaction index: structure, sufficient statistics, density, composites, reporting."""
