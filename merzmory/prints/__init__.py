"""Room: sheets and sizes for paper."""
