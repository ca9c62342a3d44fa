"""rover on HTTP/2 and gRPC in clear: real servers and clients, and connections of which a test says every frame."""
