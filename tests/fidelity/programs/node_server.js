// The server of README.md on Node's http module: node_server.js PORT LOG
"use strict";
const http = require("node:http");
const fs = require("node:fs");

const [port, logName] = process.argv.slice(2);
const log = fs.openSync(logName, "w");
const pieces = ["a".repeat(5), "b".repeat(5000), "c".repeat(50000)];
const large = Buffer.alloc(1 << 20, "l");

const server = http.createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
        const body = Buffer.concat(parts);
        const path = request.url.split("?")[0];
        const known = { "/plain": Buffer.from("hello world"), "/large": large, "/echo": body };
        let sent = 0;
        if (path === "/none") {
            response.writeHead(204);
            response.end();
        } else if (path === "/pieces") {
            response.writeHead(200);
            for (const piece of pieces) {
                response.write(piece);
                sent += piece.length;
            }
            response.end();
        } else {
            const answer = known[path] ?? Buffer.from("no");
            response.writeHead(path in known ? 200 : 404, { "Content-Length": answer.length });
            response.end(answer);
            sent = answer.length;
        }
        const entry = {
            connection: request.socket.remotePort,
            method: request.method,
            target: request.url,
            status: response.statusCode,
            request_body: body.length,
            response_body: request.method === "HEAD" ? 0 : sent,
        };
        fs.writeSync(log, JSON.stringify(entry) + "\n");
    });
});
server.listen(Number(port), "127.0.0.1");
