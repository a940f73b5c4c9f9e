"""What Tollbooth costs, counted: `make bench`."""
