"""One job: its model, its stages, its files."""
