"""MERZmory: train a generator on your own photographs and explore what the machine remembers."""
