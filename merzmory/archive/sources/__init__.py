"""Where photographs come from: one short file a source."""
