// What the shop sells, over HTTP/1. Asks the stock by gRPC, by hand on Go's own HTTP/2 in clear.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

var stock *http.Client

// left asks the stock how many of a product there are; -1 if it does not say.
func left(address, product string) int {
	if address == "" {
		return -1
	}
	message := append([]byte{10, byte(len(product))}, product...)
	body := append([]byte{0}, binary.BigEndian.AppendUint32(nil, uint32(len(message)))...)
	request, _ := http.NewRequest("POST", "http://"+address+"/shop.Stock/Check", bytes.NewReader(append(body, message...)))
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("TE", "trailers")
	answer, err := stock.Do(request)
	if err != nil {
		return -1
	}
	defer answer.Body.Close()
	said, _ := io.ReadAll(answer.Body)
	if len(said) < 7 || answer.Trailer.Get("Grpc-Status") != "0" {
		return -1
	}
	return int(said[6])
}

func main() {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	stock = &http.Client{Transport: &http.Transport{Protocols: &protocols}}

	http.HandleFunc("/products", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `["lamp","chair","rug"]`)
	})
	http.HandleFunc("/products/", func(w http.ResponseWriter, r *http.Request) {
		product := strings.TrimPrefix(r.URL.Path, "/products/")
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"name":%q,"left":%d}`, product, left(os.Args[2], product[:min(len(product), 100)]))
	})
	fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
	os.Exit(1)
}
