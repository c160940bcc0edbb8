"""Train or load one run, or a grid of them."""
