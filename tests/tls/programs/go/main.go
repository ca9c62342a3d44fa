// Go's crypto/tls under net/http, server and client in one process. Arguments: port, certificate, key, connections, requests
// of each, "1" or "2" for the version of HTTP. Begins after a line on stdin; prints what the clients asked and got, a JSON
// line each.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strconv"
	"sync"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func visit(port, version string, marker, count int, out *sync.Mutex) {
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2: version == "2",
	}
	client := &http.Client{Transport: transport}
	for number := 0; number < count; number++ {
		path := fmt.Sprintf("/%d/%d", marker, number)
		request, err := http.NewRequest("GET", "https://127.0.0.1:"+port+path, nil)
		check(err)
		own := 0
		trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
			own = info.Conn.LocalAddr().(*net.TCPAddr).Port
		}}
		response, err := client.Do(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
		check(err)
		body, err := io.Copy(io.Discard, response.Body)
		check(err)
		response.Body.Close()
		out.Lock()
		seen := map[string]any{"connection": own, "path": path, "body": body, "number": number + 1}
		check(json.NewEncoder(os.Stdout).Encode(seen))
		out.Unlock()
	}
	client.CloseIdleConnections()
}

func main() {
	port, version := os.Args[1], os.Args[6]
	connections, err := strconv.Atoi(os.Args[4])
	check(err)
	count, err := strconv.Atoi(os.Args[5])
	check(err)
	http.HandleFunc("/", func(writer http.ResponseWriter, request *http.Request) {
		fmt.Fprintf(writer, "you asked %s", request.URL.Path)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	check(err)
	server := &http.Server{}
	go func() {
		if err := server.ServeTLS(listener, os.Args[2], os.Args[3]); err != http.ErrServerClosed {
			check(err)
		}
	}()
	_, err = bufio.NewReader(os.Stdin).ReadString('\n')
	check(err)
	var out sync.Mutex
	var all sync.WaitGroup
	for marker := 0; marker < connections; marker++ {
		all.Add(1)
		go func() {
			defer all.Done()
			visit(port, version, marker, count, &out)
		}()
	}
	all.Wait()
	// The server may still be on its way out of its last write, which a process that ends never returns from.
	check(server.Shutdown(context.Background()))
}
