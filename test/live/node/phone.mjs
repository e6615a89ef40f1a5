// phone: a browser phone on the command line, for the live tests. Commands come as lines on standard input, events go
// as JSON lines to standard output.
//   node phone.mjs --client jssip|sipjs --url wss://127.0.0.1:7443 [--user alice] [--domain example.test] [--ca FILE]
//                  [--register] [--password SECRET] [--reconnect SECONDS] [--local-address ADDRESS]
// Commands: call URI, answer, hangup (before the answer: cancel or refuse), received (packets of audio so far), drop (the
// connection, without a word), quit.
import readline from "node:readline";
import { parseArgs } from "node:util";

import { becomeBrowser } from "./browser.mjs";

const { values: options } = parseArgs({
	options: {
		client: { type: "string" },
		url: { type: "string" },
		user: { type: "string", default: "alice" },
		domain: { type: "string", default: "example.test" },
		ca: { type: "string" },
		register: { type: "boolean", default: false },
		password: { type: "string" },
		reconnect: { type: "string", default: "2" },
		"local-address": { type: "string" },
	},
});
const tell = (event, fields = {}) => process.stdout.write(JSON.stringify({ event, ...fields }) + "\n");
const browser = becomeBrowser({ ca: options.ca, localAddress: options["local-address"] });
const { Phone } = await import(`./phone_${options.client}.mjs`);
const phone = new Phone({ ...options, reconnect: Number(options.reconnect) }, tell);
const commands = {
	call: (target) => phone.call(target),
	answer: () => phone.answer(),
	hangup: () => phone.hangup(),
	received: () => tell("received", { packets: phone.received() }),
	drop: () => browser.drop(),
	quit: () => process.exit(0),
};

readline.createInterface({ input: process.stdin }).on("line", (line) => {
	const [name, argument] = line.split(" ");

	commands[name](argument);
});
process.stdin.on("end", () => process.exit(0));
