// A client on Go's net/http with HTTP/2 in clear: client BASE TIMES WORKERS METHOD:PATH:SIZE …
//
// Makes all visits so many times by so many workers on one connection, and prints status and content of each.
// TIMES 0: each line of standard input is a visit, one after the other.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
)

func visit(client *http.Client, base, what string) string {
	parts := strings.SplitN(what, ":", 3)
	size, _ := strconv.Atoi(parts[2])
	var body io.Reader
	if parts[0] == "PUT" || parts[0] == "POST" {
		body = bytes.NewReader(bytes.Repeat([]byte("b"), size))
	}
	request, err := http.NewRequest(parts[0], base+parts[1], body)
	if err != nil {
		panic(err)
	}
	response, err := client.Do(request)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%s %s %d %d", parts[0], parts[1], response.StatusCode, n)
}

func main() {
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: transport}
	base := os.Args[1]
	times, _ := strconv.Atoi(os.Args[2])
	workers, _ := strconv.Atoi(os.Args[3])
	if times == 0 {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			fmt.Println(visit(client, base, lines.Text()))
		}
		return
	}
	var group sync.WaitGroup
	jobs := make(chan string)
	told := make(chan string, times*len(os.Args))
	for i := 0; i < workers; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for what := range jobs {
				told <- visit(client, base, what)
			}
		}()
	}
	for i := 0; i < times; i++ {
		for _, what := range os.Args[4:] {
			jobs <- what
		}
	}
	close(jobs)
	group.Wait()
	close(told)
	for line := range told {
		fmt.Println(line)
	}
}
