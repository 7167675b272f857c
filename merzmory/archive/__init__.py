"""Room: photographs to catalogue."""
