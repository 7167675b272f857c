"""The doors: one file for each group of commands, and what they have in common."""
