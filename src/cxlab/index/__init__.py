"""The satisfaction index: latents behind the questions, what moves them and what they go with."""
