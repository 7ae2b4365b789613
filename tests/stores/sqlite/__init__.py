"""The SQLite store, its file and its clock."""
