// Says what it was sent: to the client in `X-Read`, and as a line of JSON to whoever runs it. Argument: `strict`, or `lenient`
// for Node's own way of reading what it should not.
import { createServer } from "node:http";

const server = createServer({ insecureHTTPParser: process.argv[2] === "lenient", keepAliveTimeout: 60_000 });

server.on("request", (request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  // Comes for a request that has ended well, and for no other.
  request.on("end", () => {
    const told = {
      port: request.socket.remotePort,
      method: request.method,
      target: Buffer.from(request.url, "latin1").toString(),
      host: request.headers.host ?? "",
      body: Buffer.concat(pieces).toString("latin1"),
    };
    console.log(`read ${JSON.stringify(told)}`);
    response.setHeader("X-Read", Buffer.from(request.url, "latin1").toString("latin1"));
    response.setHeader("Content-Length", 2);
    response.end(request.method === "HEAD" ? undefined : "ok");
  });
});

server.listen(0, "127.0.0.1", () => console.log(`listening ${server.address().port}`));
