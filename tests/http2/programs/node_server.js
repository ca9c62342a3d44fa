// The server of tests/fidelity/programs/README.md on Node's http2 module: node_server.js PORT LOG
"use strict";
const http2 = require("node:http2");
const fs = require("node:fs");

const [port, logName] = process.argv.slice(2);
const log = fs.openSync(logName, "w");
const pieces = ["a".repeat(5), "b".repeat(5000), "c".repeat(50000)];
const large = Buffer.alloc(1 << 20, "l");

const server = http2.createServer({ maxSessionMemory: 1000 }); // all visits at once
server.on("stream", (stream, headers) => {
    const parts = [];
    const method = headers[":method"];
    stream.on("data", (part) => parts.push(part));
    stream.on("error", () => {});
    stream.on("end", () => {
        const body = Buffer.concat(parts);
        const path = headers[":path"].split("?")[0];
        const known = { "/plain": Buffer.from("hello world"), "/large": large, "/echo": body };
        let sent = 0;
        let status = 200;
        if (path === "/none") {
            status = 204;
            stream.respond({ ":status": 204 }, { endStream: true });
        } else if (path === "/hints") {
            stream.additionalHeaders({ ":status": 103, link: "</style.css>" });
            stream.respond({ ":status": 200 }, { endStream: true });
        } else if (path === "/trailers") {
            stream.respond({ ":status": 200 }, { waitForTrailers: true });
            stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "17" }));
            stream.end("summed");
            sent = 6;
        } else if (path === "/pieces") {
            stream.respond({ ":status": 200 });
            for (const piece of pieces) {
                if (method !== "HEAD") stream.write(piece);
                sent += piece.length;
            }
            stream.end();
        } else {
            const answer = known[path] ?? Buffer.from("no");
            status = path in known ? 200 : 404;
            stream.respond({ ":status": status, "content-length": answer.length });
            stream.end(method === "HEAD" ? undefined : answer);
            sent = answer.length;
        }
        const entry = {
            connection: stream.session.socket.remotePort,
            method,
            target: headers[":path"],
            status,
            request_body: body.length,
            response_body: method === "HEAD" ? 0 : sent,
            protocol: "HTTP/2.0",
            stream: stream.id,
        };
        fs.writeSync(log, JSON.stringify(entry) + "\n");
    });
});
server.listen(Number(port), "127.0.0.1");
