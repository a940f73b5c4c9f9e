"""Stories that take minutes: run by hand, not by `make test`."""
