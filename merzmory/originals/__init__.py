"""Original photographs, opened read-only wherever they lie, and as people see them."""
