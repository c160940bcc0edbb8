# Forwards to tasks.py, which says what each command does.
PYTHON ?= python3
.PHONY: help book test torture site pdf lab sync bench classroom fresh
help book test torture site pdf lab sync bench classroom fresh:
	@$(PYTHON) tasks.py $@
