"""Room: what a generator can show."""
