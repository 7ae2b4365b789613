"""Browsers of three makes, and what is tried in them."""
