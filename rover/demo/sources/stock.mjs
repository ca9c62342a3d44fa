// How many of a product are left: `shop.Stock/Check`, gRPC by hand on Node's own HTTP/2. The message is one varint.
import http2 from "node:http2";

const server = http2.createServer();

server.on("stream", (stream, headers) => {
  stream.on("error", () => undefined);
  stream.resume();
  stream.on("end", () => {
    const isKnown = headers[":path"] === "/shop.Stock/Check";
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": isKnown ? "0" : "12" }));
    stream.end(isKnown ? Buffer.from([0, 0, 0, 0, 2, 8, 42]) : undefined);
  });
});

server.listen(Number(process.argv[2]), "127.0.0.1");
