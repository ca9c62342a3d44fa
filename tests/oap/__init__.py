"""A real SkyWalking OAP takes what rover sends: its answers against a computation that reads the same messages."""
