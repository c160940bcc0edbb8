"""Two runs or two records side by side: `python -m helpers.compare RUN RUN`."""
