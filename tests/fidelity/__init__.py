"""Real servers and clients, each with a truth of its own: every exchange must become its record, on both sides."""
