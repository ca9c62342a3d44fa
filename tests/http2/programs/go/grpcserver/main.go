// The gRPC server of ../../README.md on grpc-go: grpcserver PORT LOG
package main

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"strconv"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"rover.test/http2/plain"
)

// prefix is what gRPC puts in front of each message.
const prefix = 5

type entry struct {
	Connection    int    `json:"connection"`
	Method        string `json:"method"`
	Status        *int   `json:"status"`
	Requests      int    `json:"requests"`
	Responses     int    `json:"responses"`
	RequestBytes  int    `json:"request_bytes"`
	ResponseBytes int    `json:"response_bytes"`
}

// call counts one call.
type call struct {
	grpc.ServerStream
	entry
}

func (c *call) ask() (plain.Bytes, error) {
	var message plain.Bytes
	err := c.RecvMsg(&message)
	if err == nil {
		c.Requests++
		c.RequestBytes += prefix + len(message)
	}
	return message, err
}

func (c *call) answer(message plain.Bytes) error {
	c.Responses++
	c.ResponseBytes += prefix + len(message)
	return c.SendMsg(&message)
}

func (c *call) run() error {
	switch c.Method {
	case "ClientStream":
		var all plain.Bytes
		for {
			message, err := c.ask()
			if err == io.EOF {
				return c.answer(all)
			}
			if err != nil {
				return err
			}
			all = append(all, message...)
		}
	case "Bidi":
		for {
			message, err := c.ask()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := c.answer(message); err != nil {
				return err
			}
		}
	}
	message, err := c.ask()
	if err != nil {
		return err
	}
	// As the code made from a .proto does: who answers before the end of the request resets the stream behind its answer.
	if _, err := c.ask(); err != io.EOF {
		return err
	}
	number, _ := strconv.Atoi(string(message))
	switch c.Method {
	case "Unary":
		return c.answer(message)
	case "ServerStream":
		for i := 0; i < number; i++ {
			if err := c.answer([]byte("0123456789")); err != nil {
				return err
			}
		}
		return nil
	case "Refuse":
		return status.Error(codes.Code(number), "as asked")
	case "Break":
		c.answer([]byte("one"))
		return status.Error(codes.Code(number), "as asked")
	}
	<-c.Context().Done()
	return c.Context().Err()
}

func main() {
	log, err := os.Create(os.Args[2])
	if err != nil {
		panic(err)
	}
	var mutex sync.Mutex
	encoder := json.NewEncoder(log)
	handle := func(_ any, stream grpc.ServerStream) error {
		name, _ := grpc.MethodFromServerStream(stream)
		caller, _ := peer.FromContext(stream.Context())
		c := &call{stream, entry{Connection: caller.Addr.(*net.TCPAddr).Port, Method: name[len("/test.Echo/"):]}}
		err := c.run()
		if stream.Context().Err() == nil {
			code := int(status.Code(err))
			c.Status = &code
		}
		mutex.Lock()
		defer mutex.Unlock()
		encoder.Encode(c.entry)
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		panic(err)
	}
	most := grpc.MaxRecvMsgSize(1 << 30)
	panic(grpc.NewServer(grpc.ForceServerCodec(plain.Codec{}), grpc.UnknownServiceHandler(handle), most).Serve(listener))
}
