"""What is known without loading: models, families, and the headers of weights files."""
