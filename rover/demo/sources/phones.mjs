// Phones that look around in the shop: one HTTP/2 connection over TLS, two requests at a time, until their time is over.
import { readFileSync } from "node:fs";
import http2 from "node:http2";

const [address, seconds, certificate] = process.argv.slice(2);
readFileSync(0); // its end says: begin
const end = Date.now() + Number(seconds) * 1000;
const session = http2.connect(`https://${address}`, { ca: readFileSync(certificate), servername: "localhost" });
session.on("error", () => process.exit(1));

function get(path) {
  return new Promise((resolve) => {
    const stream = session.request({ ":path": path });
    stream.on("error", resolve);
    stream.on("close", resolve);
    stream.resume();
    stream.end();
  });
}

while (Date.now() < end) {
  await Promise.all([get("/products"), get("/products/lamp")]);
  await new Promise((resolve) => setTimeout(resolve, 400));
}
session.close();
