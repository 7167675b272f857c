"""Room: keepers to training squares."""
