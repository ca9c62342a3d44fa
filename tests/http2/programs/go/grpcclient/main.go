// A gRPC client on grpc-go: grpcclient PORT METHOD CALLS MESSAGES SIZE WORKERS
//
// Makes so many calls, each with so many messages of so many bytes, and prints status and number of answers of each.
// METHOD "wait": each line of standard input is METHOD MESSAGES SIZE, one call after the other.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"rover.test/http2/plain"
)

func one(connection *grpc.ClientConn, method string, messages, size int) string {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	// Where the client does not stream its message ends the request: else a server may answer, and reset, before that.
	kind := &grpc.StreamDesc{ServerStreams: true, ClientStreams: method == "ClientStream" || method == "Bidi"}
	stream, err := connection.NewStream(ctx, kind, "/test.Echo/"+method)
	if err != nil {
		panic(err)
	}
	message := make(plain.Bytes, size)
	count := 1
	switch method {
	case "ClientStream", "Bidi":
		count = messages
	case "ServerStream", "Refuse", "Break":
		message = plain.Bytes(strconv.Itoa(messages))
	}
	go func() {
		for i := 0; i < count; i++ {
			if stream.SendMsg(&message) != nil {
				return
			}
		}
		stream.CloseSend()
		if method == "Hang" {
			time.Sleep(50 * time.Millisecond)
			cancel()
		}
	}()
	answers := 0
	for {
		var answer plain.Bytes
		if err = stream.RecvMsg(&answer); err != nil {
			break
		}
		answers++
	}
	if err == io.EOF {
		err = nil
	}
	return fmt.Sprintf("%d %d", status.Code(err), answers)
}

func main() {
	connection, err := grpc.NewClient("127.0.0.1:"+os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(plain.Codec{}), grpc.MaxCallRecvMsgSize(1<<30)))
	if err != nil {
		panic(err)
	}
	if os.Args[2] == "wait" {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			var method string
			var messages, size int
			fmt.Sscan(lines.Text(), &method, &messages, &size)
			fmt.Println(one(connection, method, messages, size))
		}
		return
	}
	var numbers [4]int
	for i := range numbers {
		numbers[i], _ = strconv.Atoi(os.Args[3+i])
	}
	calls, messages, size, workers := numbers[0], numbers[1], numbers[2], numbers[3]
	var group sync.WaitGroup
	jobs := make(chan int)
	told := make(chan string, calls)
	for i := 0; i < workers; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for range jobs {
				told <- one(connection, os.Args[2], messages, size)
			}
		}()
	}
	for i := 0; i < calls; i++ {
		jobs <- i
	}
	close(jobs)
	group.Wait()
	close(told)
	if os.Args[2] == "Hang" {
		// The last RST_STREAM has to get out before the connection ends.
		time.Sleep(100 * time.Millisecond)
	}
	for line := range told {
		fmt.Println(line)
	}
}
