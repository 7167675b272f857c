"""Room: records to a static site."""
