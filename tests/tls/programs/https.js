// Node's https, server and client in one process. Arguments: port, certificate, key, connections, requests of each.
// Prints what the clients asked and got, a JSON line each.
const https = require("https");
const fs = require("fs");

const [port, certificate, key, connections, count] = process.argv.slice(2);
const trust = fs.readFileSync(certificate);
const server = https.createServer({ cert: trust, key: fs.readFileSync(key) }, (request, response) => {
  response.end(`you asked ${request.url}`);
});

function get(agent, path) {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", servername: "localhost", port, path, agent, ca: trust };
    https
      .get(options, (response) => {
        const own = response.socket.localPort;
        let body = 0;
        response.on("data", (piece) => (body += piece.length));
        response.on("end", () => resolve({ connection: own, path, body }));
      })
      .on("error", reject);
  });
}

async function visit(marker) {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  for (let number = 0; number < count; number++) {
    const seen = await get(agent, `/${marker}/${number}`);
    console.log(JSON.stringify({ ...seen, number: number + 1 }));
  }
  agent.destroy();
}

server.listen(Number(port), "127.0.0.1", async () => {
  await Promise.all(Array.from({ length: Number(connections) }, (_, marker) => visit(marker)));
  server.close();
});
