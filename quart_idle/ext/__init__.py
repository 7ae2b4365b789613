"""Other extensions of Quart, with a session of ours below them. Each needs an extra of its own."""
