// HTTPS requests of node to itself: prints how many bytes of bodies were sent, both ways together.
//
// usage: node talk.js KEY CERTIFICATE
const fs = require('node:fs');
const https = require('node:https');

const [key, cert] = process.argv.slice(2).map((path) => fs.readFileSync(path));
const REQUESTS = 300;
const BODY = 20_000;
const BIG = 300_000;

const server = https.createServer({ key, cert }, (request, response) => {
  request.resume().on('end', () => response.end(Buffer.alloc(request.url === '/big' ? BIG : BODY)));
});

function exchange(agent, path) {
  return new Promise((resolve, reject) => {
    const options = { port: server.address().port, path, method: 'POST', agent, rejectUnauthorized: false };
    const request = https.request(options, (response) => response.resume().on('end', resolve));
    request.on('error', reject).end(Buffer.alloc(BODY));
  });
}

server.listen(0, '127.0.0.1', async () => {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 20 });
  const paths = Array.from({ length: REQUESTS }, (_, index) => (index % 10 ? '/small' : '/big'));
  await Promise.all(paths.map((path) => exchange(agent, path)));
  const answers = paths.reduce((sum, path) => sum + (path === '/big' ? BIG : BODY), 0);
  console.log(REQUESTS * BODY + answers);
  process.exit(0);
});
