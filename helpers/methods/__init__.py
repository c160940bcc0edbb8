"""Training modules, one a method: the training step is the equation."""
