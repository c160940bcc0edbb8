"""Verdicts, tables, figures, provenance."""
