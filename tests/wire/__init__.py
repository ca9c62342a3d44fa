"""The wire in both directions, judged by grpcio and protobuf with a description of the messages of our own making."""
