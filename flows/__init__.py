"""Door: the only place that knows Prefect."""
