// The server of tests/fidelity/programs/README.md on Go's net/http, with HTTP/2 in clear: go_server PORT LOG
package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
)

type entry struct {
	Connection   int    `json:"connection"`
	Method       string `json:"method"`
	Target       string `json:"target"`
	Status       int    `json:"status"`
	RequestBody  int    `json:"request_body"`
	ResponseBody int    `json:"response_body"`
	Protocol     string `json:"protocol"`
}

// answer writes the response to one request and tells its status and the size of its content; the end of that of /left is
// kept back until the client is gone.
func answer(w http.ResponseWriter, path string, body []byte, gone <-chan struct{}) (int, int) {
	known := map[string][]byte{"/plain": []byte("hello world"), "/large": bytes.Repeat([]byte("l"), 1<<20), "/echo": body}
	switch path {
	case "/none":
		w.WriteHeader(http.StatusNoContent)
		return http.StatusNoContent, 0
	case "/hints":
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusOK)
		return http.StatusOK, 0
	case "/trailers":
		w.Header().Set("Trailer", "X-Sum")
		n, _ := w.Write([]byte("summed"))
		// Else net/http adds Content-Length, and curl closes once it has so much, maybe before the trailers are sent.
		w.(http.Flusher).Flush()
		w.Header().Set("X-Sum", "17")
		return http.StatusOK, n
	case "/left":
		w.Header().Set("Content-Length", "6")
		n, _ := w.Write([]byte("summed"))
		w.(http.Flusher).Flush()
		<-gone
		return http.StatusOK, n
	case "/pieces":
		sent := 0
		for _, size := range []int{5, 5000, 50000} {
			n, _ := w.Write(bytes.Repeat([]byte("p"), size))
			w.(http.Flusher).Flush()
			sent += n
		}
		return http.StatusOK, sent
	}
	content, isKnown := known[path]
	status := http.StatusOK
	if !isKnown {
		content, status = []byte("no"), http.StatusNotFound
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(status)
	w.Write(content)
	return status, len(content)
}

func main() {
	log, err := os.Create(os.Args[2])
	if err != nil {
		panic(err)
	}
	var mutex sync.Mutex
	encoder := json.NewEncoder(log)
	handler := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		status, sent := answer(w, r.URL.Path, body, r.Context().Done())
		if r.Method == http.MethodHead {
			sent = 0
		}
		_, port, _ := net.SplitHostPort(r.RemoteAddr)
		connection, _ := strconv.Atoi(port)
		mutex.Lock()
		defer mutex.Unlock()
		encoder.Encode(entry{connection, r.Method, r.RequestURI, status, len(body), sent, r.Proto})
	}
	server := http.Server{Addr: "127.0.0.1:" + os.Args[1], Handler: http.HandlerFunc(handler), Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	panic(server.ListenAndServe())
}
