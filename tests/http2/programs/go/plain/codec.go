// Package plain has messages of gRPC that are what they are: bytes.
package plain

// Bytes is a message.
type Bytes []byte

// Codec leaves messages alone.
type Codec struct{}

// Marshal returns the message's bytes.
func (Codec) Marshal(message any) ([]byte, error) { return *message.(*Bytes), nil }

// Unmarshal takes the bytes as the message.
func (Codec) Unmarshal(data []byte, message any) error {
	*message.(*Bytes) = append(Bytes(nil), data...)
	return nil
}

// Name is what the content type says behind `application/grpc+`.
func (Codec) Name() string { return "proto" }
