"""Bases and networks of others: what is known of them, what is here, how they come."""
