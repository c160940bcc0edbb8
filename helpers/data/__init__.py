"""Data sets: the embedded scenes, and the catalogue of real ones."""
