// SIP.js as a phone of phone.mjs.
import { Inviter, Registerer, SessionState, UserAgent } from "sip.js";

import { Rtp } from "./browser.mjs";

const KEEP_ALIVE_S = 1;

class Media { // a session description handler of plain RTP
	constructor() {
		this.rtp = new Rtp();
		Media.newest = this;
	}

	async getDescription() {
		return { body: await this.rtp.sdp(), contentType: "application/sdp" };
	}

	async setDescription(sdp) {
		this.rtp.aim(sdp);
	}

	hasDescription(contentType) {
		return contentType === "application/sdp";
	}

	sendDtmf() {
		return false;
	}

	close() {
		this.rtp.close();
	}
}

export class Phone {
	constructor(options, tell) {
		this.tell = tell;
		this.ua = new UserAgent({
			uri: UserAgent.makeURI(`sip:${options.user}@${options.domain}`),
			authorizationUsername: options.user,
			authorizationPassword: options.password,
			transportOptions: { server: options.url, keepAliveInterval: KEEP_ALIVE_S, keepAliveDebounce: 0 },
			sessionDescriptionHandlerFactory: () => new Media(),
			logBuiltinEnabled: false,
			logLevel: "debug",
			logConnector: (level, category, label, content) => this.log(content),
			delegate: {
				onConnect: () => this.open(options),
				onDisconnect: () => tell("closed"),
				onInvite: (session) => this.incoming(session),
			},
		});
		this.ua.start();
	}

	log(content) {
		if (/CRLF Keep Alive response/i.test(content))
			this.tell("pong");
	}

	open(options) {
		this.tell("open");
		if (!options.register)
			return;
		const registerer = new Registerer(this.ua, { expires: 120 });

		registerer.register({
			requestDelegate: {
				onAccept: () => this.tell("registered"),
				onReject: (r) => this.tell("registration failed", { status: r.message.statusCode }),
			},
		});
	}

	incoming(session) {
		this.watch(session);
		this.tell("incoming", { from: session.remoteIdentity.uri.user });
	}

	watch(session) {
		let accepted = false;

		this.session = session;
		session.delegate = {
			onBye: (bye) => {
				this.bye = bye.request;
				bye.accept();
			},
		};
		session.stateChange.addListener((state) => {
			if (state === SessionState.Established) {
				accepted = true;
				this.tell("confirmed");
			} else if (state === SessionState.Terminated && accepted) {
				this.tell("ended", { by: this.bye ? "remote" : "local", reason: this.bye?.getHeader("Reason") });
			}
		});
	}

	call(target) {
		const inviter = new Inviter(this.ua, UserAgent.makeURI(target));
		const reject = ({ message }) => this.tell("failed", { cause: message.reasonPhrase, status: message.statusCode });

		this.watch(inviter);
		inviter.invite({
			requestDelegate: {
				onProgress: ({ message }) => this.tell("progress", { status: message.statusCode }),
				onAccept: ({ message }) => this.tell("accepted", { contact: message.getHeader("Contact") }),
				onReject: reject,
			},
		});
	}

	answer() {
		this.session.accept();
	}

	hangup() {
		if (this.session.state === SessionState.Established)
			this.session.bye();
		else
			this.session.cancel ? this.session.cancel() : this.session.reject();
	}

	received() {
		return Media.newest?.rtp.received ?? 0;
	}

	stop() {
		this.ua.stop();
	}
}
