"""The paper's experiments and what goes beyond them, by the product's own code, without a chain."""
