// A WebSocket server (the package ws, over TLS) that takes streams. Prints what happens as lines of JSON: every message but
// media, and each 50th of those; the payloads of connection N go to FOLDER/N-TRACK.b64, one a line. Reads commands from
// stdin, for all connections: "close CODE", "say COUNT TEXT", "rubbish", "pause", "resume".
//
//   node stream_server.mjs --folder FOLDER --cert FILE --key FILE [--status 403]
import fs from "node:fs";
import https from "node:https";
import path from "node:path";
import readline from "node:readline";
import { parseArgs } from "node:util";
import { WebSocketServer } from "ws";

const { values: options } = parseArgs({
	options: { folder: { type: "string" }, cert: { type: "string" }, key: { type: "string" }, status: { type: "string" } },
});
const say = (event, more = {}) => console.log(JSON.stringify({ event, ...more }));
const server = https.createServer({ cert: fs.readFileSync(options.cert), key: fs.readFileSync(options.key) });
const wss = new WebSocketServer({ noServer: true });
let count = 0;

const take = (n, state, text) => {
	const message = JSON.parse(text), sequence = Number(message.sequenceNumber ?? 0);

	if (sequence !== state.sequence + 1 && message.event !== "connected") state.gaps++;
	state.sequence = sequence;
	if (message.event !== "media") {
		say("message", { n, message, media: state.media });
		return;
	}
	const { track, chunk, timestamp, payload } = message.media;

	if (!Buffer.from(payload, "base64").toString("base64").startsWith(payload)) say("error", { n, text: "no base64" });
	fs.appendFileSync(path.join(options.folder, `${n}-${track}.b64`), `${payload}\n`);
	state.media++;
	if (state.media % 50 === 0) say("media", { n, track, chunk, timestamp, media: state.media, sequence: message.sequenceNumber });
};

server.on("upgrade", (request, socket, head) => {
	if (options.status) {
		say("refused", { headers: request.headers });
		socket.end(`HTTP/1.1 ${options.status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
		return;
	}
	wss.handleUpgrade(request, socket, head, (ws) => {
		const n = count++;
		const state = { media: 0, gaps: 0, sequence: 0 };

		ws.raw = socket;
		say("open", { n, url: request.url, headers: request.headers });
		ws.on("message", (data, binary) => {
			if (binary) say("error", { n, text: "binary" });
			else take(n, state, data.toString());
		});
		ws.on("close", (code) => say("close", { n, code, media: state.media, gaps: state.gaps }));
		ws.on("error", (error) => say("error", { n, text: String(error) }));
	});
});
server.on("tlsClientError", (error) => say("tls", { text: error.code }));
server.listen(0, "127.0.0.1", () => say("ready", { port: server.address().port }));
readline.createInterface({ input: process.stdin }).on("line", (line) => {
	const [command, value, ...rest] = line.split(" ");

	for (const ws of wss.clients) {
		if (command === "close") ws.close(Number(value));
		if (command === "say") for (let i = 0; i < Number(value); i++) ws.send(rest.join(" "));
		if (command === "rubbish") ws.raw.write(Buffer.alloc(4096, 0xff));
		if (command === "pause") ws.pause();
		if (command === "resume") ws.resume();
	}
}).on("close", () => process.exit(0));
