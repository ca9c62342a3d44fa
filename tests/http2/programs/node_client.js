// A client on Node's http2 module: node_client.js BASE TIMES METHOD:PATH:SIZE …
//
// Makes all visits so many times, all at once on one connection, and prints method, path, status and content of each.
// TIMES 0: each line of standard input is a visit, one after the other.
"use strict";
const http2 = require("node:http2");
const readline = require("node:readline");

const [base, times, ...visits] = process.argv.slice(2);
const session = http2.connect(base, { maxSessionMemory: 1000 }); // all visits at once

function visit(what) {
    const [method, path, size] = what.split(":");
    return new Promise((done, fail) => {
        const stream = session.request({ ":method": method, ":path": path }, { endStream: method === "GET" });
        let status, got = 0;
        stream.on("response", (headers) => (status = headers[":status"]));
        stream.on("data", (part) => (got += part.length));
        stream.on("error", fail);
        stream.on("end", () => {
            console.log(method, path, status, got);
            done();
        });
        if (method !== "GET" && method !== "HEAD") stream.end(Buffer.alloc(Number(size), "b"));
        else if (method === "HEAD") stream.end();
        stream.resume();
    });
}

async function main() {
    if (times === "0") {
        for await (const line of readline.createInterface({ input: process.stdin })) await visit(line);
    } else {
        const all = [];
        for (let i = 0; i < Number(times); i++) all.push(...visits.map(visit));
        await Promise.all(all);
    }
    session.close();
}
main();
