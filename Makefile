# Forwards to tasks.py, which says what each command does.
PYTHON ?= python3
.PHONY: help book test site lab sync bench fresh
help book test site lab sync bench fresh:
	@$(PYTHON) tasks.py $@
