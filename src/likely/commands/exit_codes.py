"""What the script `likely` exits with."""

SUCCESS, BAD_INPUT, INTERRUPTED = 0, 2, 130
