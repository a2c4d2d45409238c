"""A whole federation on one host: prepares keys and data, starts every process, shows the round."""
