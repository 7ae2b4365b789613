"""Sessions in an SQLite file, for all workers of one host."""
