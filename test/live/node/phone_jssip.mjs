// JsSIP as a phone of phone.mjs.
import JsSIP from "jssip";

import { newestRtp } from "./browser.mjs";

const MEDIA = { mediaConstraints: { audio: false, video: false }, rtcOfferConstraints: { offerToReceiveAudio: true } };

export class Phone {
	constructor(options, tell) {
		this.tell = tell;
		this.ua = new JsSIP.UA({
			sockets: [new JsSIP.WebSocketInterface(options.url)],
			uri: `sip:${options.user}@${options.domain}`,
			password: options.password,
			register: options.register,
			register_expires: 120,
			connection_recovery_min_interval: options.reconnect,
			connection_recovery_max_interval: 30,
		});
		this.ua.on("connected", () => tell("open"));
		this.ua.on("disconnected", () => tell("closed"));
		this.ua.on("registered", () => tell("registered"));
		this.ua.on("unregistered", () => tell("unregistered"));
		this.ua.on("registrationFailed", (e) => tell("registration failed", { cause: e.cause, status: e.response?.status_code }));
		this.ua.on("newRTCSession", ({ session, originator, request }) => this.take(session, originator, request));
		this.ua.start();
	}

	take(session, originator, request) {
		const status = (e) => e?.message?.status_code;

		this.session = session;
		if (originator === "remote")
			this.tell("incoming", { from: request.from.uri.user });
		session.on("progress", (e) => this.tell("progress", { status: e.response?.status_code }));
		session.on("accepted", (e) => this.tell("accepted", { contact: e.response?.getHeader("Contact") }));
		session.on("confirmed", () => this.tell("confirmed"));
		session.on("ended", (e) => this.tell("ended", { by: e.originator, reason: e.message?.getHeader?.("Reason") }));
		session.on("failed", (e) => this.tell("failed", { by: e.originator, cause: e.cause, status: status(e) }));
	}

	call(target) {
		this.ua.call(target, MEDIA);
	}

	answer() {
		this.session.answer(MEDIA);
	}

	hangup() {
		this.session.terminate();
	}

	received() {
		return newestRtp()?.received ?? 0;
	}

	stop() {
		this.ua.stop();
	}
}
