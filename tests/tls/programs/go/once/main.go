// One HTTPS request, and the end of the process. Arguments: port, certificate, path.
package main

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	// The certificate of the tests has no name that Go takes.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	response, err := (&http.Client{Transport: transport}).Get("https://127.0.0.1:" + os.Args[1] + os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	if _, err = io.Copy(io.Discard, response.Body); err != nil {
		log.Fatal(err)
	}
}
