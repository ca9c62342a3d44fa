// TLS between goroutines of this process: prints how many bytes were sent in all.
//
// usage: talk KEY CERTIFICATE [still]
//
// With "still", stacks have grown before they are needed, so that none moves under a read or a write.
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

const connections = 50

var sizes = []int{1, 100, 16384, 16385, 300000}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// deep makes the stack of the goroutine grow, and with it move, under the calls that follow.
func deep(depth int, then func()) byte {
	var room [200]byte
	if depth > 0 {
		return room[depth%200] + deep(depth-1, then)
	}
	then()
	return room[0]
}

func settle() {
	if len(os.Args) > 3 {
		deep(200, func() {})
	}
}

func exchange(connection net.Conn, isFirst bool) {
	for _, size := range sizes {
		if isFirst {
			_, err := connection.Write(make([]byte, size))
			check(err)
		}
		_, err := io.ReadFull(connection, make([]byte, size))
		check(err)
		if !isFirst {
			_, err := connection.Write(make([]byte, size))
			check(err)
		}
	}
}

func main() {
	certificate, err := tls.LoadX509KeyPair(os.Args[2], os.Args[1])
	check(err)
	total := 0
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
		check(err)
		var wait sync.WaitGroup
		for i := 0; i < connections; i++ {
			wait.Add(2)
			go func(i int) {
				defer wait.Done()
				settle()
				connection, err := listener.Accept()
				check(err)
				deep(i, func() { exchange(connection, false) })
				connection.Close()
			}(i)
			go func(i int) {
				defer wait.Done()
				settle()
				settings := &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}
				connection, err := tls.Dial("tcp", listener.Addr().String(), settings)
				check(err)
				time.Sleep(time.Duration(i) * time.Millisecond)
				exchange(connection, true)
				// The end of the stream is an error, and no bytes.
				for rest := make([]byte, 100); err == nil; {
					_, err = connection.Read(rest)
				}
				connection.Close()
			}(i)
		}
		wait.Wait()
		for _, size := range sizes {
			total += 2 * connections * size
		}
	}
	fmt.Println(total)
}
