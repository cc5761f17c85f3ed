"""Parts of the driver model: its data, its blanks, its likelihood, its curves and its draws."""
