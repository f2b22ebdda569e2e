"""The paper's experiments: a module a question measures or reads, compares, judges and draws."""
