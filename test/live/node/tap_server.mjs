// A WebSocket server (the package ws) that takes the audio of taps. Prints what happens as lines of JSON; the binary
// messages of connection N go to FOLDER/N.raw. Reads commands from stdin: "close CODE".
//
//   node tap_server.mjs --folder FOLDER [--cert FILE --key FILE] [--status 403]
import fs from "node:fs";
import http from "node:http";
import https from "node:https";
import path from "node:path";
import readline from "node:readline";
import { parseArgs } from "node:util";
import { WebSocketServer } from "ws";

const { values: options } = parseArgs({
	options: { folder: { type: "string" }, cert: { type: "string" }, key: { type: "string" }, status: { type: "string" } },
});
const say = (event, more = {}) => console.log(JSON.stringify({ event, ...more }));
const server = options.cert
	? https.createServer({ cert: fs.readFileSync(options.cert), key: fs.readFileSync(options.key) })
	: http.createServer();
const wss = new WebSocketServer({ noServer: true });
let count = 0;

server.on("upgrade", (request, socket, head) => {
	if (options.status) {
		say("refused", { url: request.url });
		socket.end(`HTTP/1.1 ${options.status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
		return;
	}
	wss.handleUpgrade(request, socket, head, (ws) => {
		const n = count++;
		const file = fs.openSync(path.join(options.folder, `${n}.raw`), "w");
		let frames = 0;

		say("open", { n, url: request.url, headers: request.headers });
		ws.on("message", (data, binary) => {
			if (!binary) {
				say("text", { n, text: data.toString(), frames });
				return;
			}
			fs.writeSync(file, data);
			if (++frames % 50 === 0) say("audio", { n, frames, bytes: data.length });
		});
		ws.on("close", (code) => say("close", { n, code, frames }));
		ws.on("error", (error) => say("error", { n, text: String(error) }));
	});
});
server.on("tlsClientError", (error) => say("tls", { text: error.code }));
server.listen(0, "127.0.0.1", () => say("ready", { port: server.address().port }));
readline.createInterface({ input: process.stdin }).on("line", (line) => {
	const [command, code] = line.split(" ");

	if (command === "close") for (const ws of wss.clients) ws.close(Number(code));
}).on("close", () => process.exit(0));
