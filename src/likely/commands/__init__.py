"""The commands of `likely`, one a file. Heavy imports wait until a command runs."""
