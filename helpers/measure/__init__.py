"""Metrics on tensors, one value a picture; nothing here knows of LICO."""
