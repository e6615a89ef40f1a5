// What a browser gives its page, for Node: a WebSocket, and a peer connection whose media is plain RTP.
import dgram from "node:dgram";
import fs from "node:fs";
import { WebSocket } from "ws";

const PTIME_MS = 20;
const FRAME_BYTES = 160;

// One RTP socket that offers and answers PCMU, sends silence and counts what comes.
export class Rtp {
	constructor() {
		this.received = 0;
		this.socket = dgram.createSocket("udp4");
		this.socket.on("message", (data) => (this.received += data.length > 12 ? 1 : 0));
		this.ready = new Promise((resolve) => this.socket.bind(0, "127.0.0.1", resolve));
	}

	async sdp() {
		await this.ready;
		const { port } = this.socket.address();
		return ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0", `m=audio ${port} RTP/AVP 0`,
			"a=rtpmap:0 PCMU/8000", "a=sendrecv", ""].join("\r\n");
	}

	// Where the other side of the call wants to hear us.
	aim(sdp) {
		const address = /^c=IN IP4 (\S+)/m.exec(sdp), port = /^m=audio (\d+)/m.exec(sdp);

		this.to = address && port ? { address: address[1], port: Number(port[1]) } : null;
		if (this.to && !this.timer)
			this.timer = setInterval(() => this.send(), PTIME_MS);
	}

	send() {
		const packet = Buffer.alloc(12 + FRAME_BYTES, 0xff);

		this.sequence = ((this.sequence ?? 0) + 1) & 0xffff;
		packet.writeUInt16BE(0x8000, 0);
		packet.writeUInt16BE(this.sequence, 2);
		packet.writeUInt32BE(this.sequence * FRAME_BYTES, 4);
		packet.writeUInt32BE(7, 8);
		this.socket.send(packet, this.to.port, this.to.address);
	}

	close() {
		clearInterval(this.timer);
		this.timer = null;
		if (this.socket)
			this.socket.close();
		this.socket = null;
	}
}

// As much of RTCPeerConnection as JsSIP asks for.
class PeerConnection extends EventTarget {
	static newest = null;

	constructor() {
		super();
		this.rtp = new Rtp();
		this.iceGatheringState = "complete";
		this.iceConnectionState = "new";
		this.signalingState = "stable";
		PeerConnection.newest = this;
	}

	async createOffer() {
		return { type: "offer", sdp: await this.rtp.sdp() };
	}

	async createAnswer() {
		return { type: "answer", sdp: await this.rtp.sdp() };
	}

	async setLocalDescription(description) {
		this.localDescription = description;
		this.signalingState = description.type === "offer" ? "have-local-offer" : "stable";
	}

	async setRemoteDescription(description) {
		this.remoteDescription = description;
		this.signalingState = description.type === "offer" ? "have-remote-offer" : "stable";
		this.rtp.aim(description.sdp);
	}

	addTrack() {}

	getSenders() {
		return [];
	}

	close() {
		this.rtp.close();
		this.signalingState = "closed";
	}
}

export const newestRtp = () => PeerConnection.newest?.rtp;

// Make this process look like a page. ca: file of the authority that wss servers are signed by, or none.
export function becomeBrowser({ ca, localAddress }) {
	const sockets = [];
	const options = { localAddress, ca: ca ? fs.readFileSync(ca) : undefined };

	globalThis.window = globalThis;
	globalThis.RTCPeerConnection = PeerConnection;
	globalThis.RTCSessionDescription = class {
		constructor(init) {
			Object.assign(this, init);
		}
	};
	globalThis.WebSocket = class extends WebSocket {
		constructor(url, protocols) {
			super(url, protocols, options);
			sockets.push(this);
		}
	};
	return { drop: () => sockets.forEach((s) => s._socket?.destroy()) };
}
