"""The losses of LICO, one a file: an equation in a minute."""
