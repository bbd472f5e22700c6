/*
 * http2 - a server that speaks HTTP/2 over TLS: node http2.js PORT-FILE KEY CERTIFICATE
 * Each answer comes 100 ms after its request and is "SESSIONS VERSION": how many connections there have been.
 * "/hang" gets none.
 */
const fs = require("fs");
const http2 = require("http2");

let sessions = 0;
const [portFile, key, cert] = process.argv.slice(2);
const server = http2.createSecureServer({ key: fs.readFileSync(key), cert: fs.readFileSync(cert), allowHTTP1: true });
server.on("session", () => sessions++);
server.on("request", (request, response) => {
    request.resume();
    if (request.url === "/hang") return;
    setTimeout(() => response.end(`${sessions} ${request.httpVersion}`), 100);
});
server.listen(0, "127.0.0.1", () => {
    fs.writeFileSync(portFile + ".new", String(server.address().port));
    fs.renameSync(portFile + ".new", portFile);
});
