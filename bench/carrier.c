/* carrier: carries the SIP messages of the generator, which speaks UDP alone, over TLS or over a secure WebSocket.
 *
 *	carrier tls SERVER_PORT UDP_PORT CALLEE_PORT CERT KEY
 *	carrier wss SERVER_PORT UDP_PORT
 *
 * All on 127.0.0.1. The caller's messages come to UDP_PORT and go to the server over one connection, made at the start
 * ("ready" is printed when it stands); what comes back goes where they came from. With tls the server's calls out come in
 * at TCP CALLEE_PORT and go to the callee, who has the same number over UDP. It runs on the generator's core, so that its
 * work is not the server's; it checks no certificate. Ends by SIGTERM. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_BYTES = 65536, MAX_CONNECTIONS = 64, EVENTS = 32, FRAME_HEAD = 14 };

struct conn {
	int fd;
	SSL *ssl;
	bool frames;       /* WebSocket */
	struct side *side; /* where its messages go */
	size_t n;
	char bytes[MAX_BYTES + 1];
};

struct side { /* one UDP socket towards the generator */
	int fd;
	struct sockaddr_in to;
	struct conn *conn; /* where its messages go; the newest */
};

struct carrier {
	int epoll, listener;
	struct side caller, callee;
	SSL_CTX *client, *server;
};

static void die(const char *what)
{
	fprintf(stderr, "carrier: %s: %s\n", what, strerror(errno));
	exit(2);
}

static struct sockaddr_in at_port(unsigned long port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return in;
}

static void watch(struct carrier *c, int fd, void *what)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = what };

	if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &ev))
		die("epoll");
}

static int bound(int kind, unsigned long port)
{
	struct sockaddr_in in = at_port(port);
	int fd = socket(AF_INET, kind, 0), one = 1;

	if (fd < 0)
		die("socket");
	if (kind == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)))
		die("bind");
	return fd;
}

static void put(struct conn *c, const void *data, size_t n)
{
	if (SSL_write(c->ssl, data, (int)n) != (int)n)
		die("SSL_write");
}

/* RFC 6455 §5.2: a text frame, masked with zeros, as a client may choose. */
static void send_message(struct conn *c, const char *msg, size_t n)
{
	static char frame[MAX_BYTES + FRAME_HEAD];
	size_t head = 2;

	if (!c->frames) {
		put(c, msg, n);
		return;
	}
	frame[0] = (char)0x81;
	if (n < 126) {
		frame[1] = (char)(0x80 | n);
	} else {
		frame[1] = (char)(0x80 | 126);
		frame[2] = (char)(n >> 8);
		frame[3] = (char)n;
		head = 4;
	}
	memset(frame + head, 0, 4);
	memcpy(frame + head + 4, msg, n);
	put(c, frame, head + 4 + n);
}

static void deliver(struct conn *c, const char *msg, size_t n)
{
	if (n && sendto(c->side->fd, msg, n, 0, (struct sockaddr *)&c->side->to, sizeof(c->side->to)) < 0)
		die("sendto");
}

/* Length of the SIP message at the front, 0 = not whole yet. */
static size_t message_length(struct conn *c)
{
	char *end, *length;
	size_t head;

	c->bytes[c->n] = 0;
	end = strstr(c->bytes, "\r\n\r\n");
	if (!end)
		return 0;
	head = (size_t)(end - c->bytes) + 4;
	length = strcasestr(c->bytes, "\r\nContent-Length:");
	if (length && length < end)
		head += strtoul(length + 17, NULL, 10);
	return head <= c->n ? head : 0;
}

/* The same for a frame of the server, unmasked; *skip: its head. */
static size_t frame_length(const struct conn *c, size_t *skip)
{
	const unsigned char *b = (const unsigned char *)c->bytes;
	size_t n;

	if (c->n < 4)
		return 0;
	n = b[1] & 127;
	*skip = 2;
	if (n == 126) {
		n = (size_t)b[2] << 8 | b[3];
		*skip = 4;
	}
	return c->n >= *skip + n ? *skip + n : 0;
}

static void consume(struct conn *c)
{
	size_t n, skip = 0;

	while ((n = c->frames ? frame_length(c, &skip) : message_length(c))) {
		if (!c->frames || (c->bytes[0] & 15) < 8)
			deliver(c, c->bytes + skip, n - skip);
		memmove(c->bytes, c->bytes + n, c->n - n);
		c->n -= n;
	}
}

/* False: it has ended. */
static bool take(struct conn *c)
{
	do {
		int n = SSL_read(c->ssl, c->bytes + c->n, (int)(MAX_BYTES - c->n));

		if (n <= 0)
			return SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ;
		c->n += (size_t)n;
		consume(c);
	} while (SSL_pending(c->ssl));
	return true;
}

static struct conn *conn_new(struct carrier *k, int fd, SSL_CTX *ctx, struct side *side)
{
	struct conn *c = calloc(1, sizeof(*c));
	int one = 1;

	if (!c)
		die("memory");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->fd = fd;
	c->side = side;
	c->ssl = SSL_new(ctx);
	SSL_clear_mode(c->ssl, SSL_MODE_AUTO_RETRY);
	SSL_set_fd(c->ssl, fd);
	if ((side == &k->callee ? SSL_accept(c->ssl) : SSL_connect(c->ssl)) != 1)
		die("handshake");
	side->conn = c;
	return c;
}

static void upgrade(struct conn *c)
{
	static const char ask[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
				  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
				  "Sec-WebSocket-Protocol: sip\r\n\r\n";

	put(c, ask, sizeof(ask) - 1);
	while (!strstr(c->bytes, "\r\n\r\n")) {
		int n = SSL_read(c->ssl, c->bytes + c->n, (int)(MAX_BYTES - c->n));

		if (n <= 0 && SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_READ)
			die("no answer to the upgrade");
		c->n += n > 0 ? (size_t)n : 0;
		c->bytes[c->n] = 0;
	}
	if (strncmp(c->bytes, "HTTP/1.1 101", 12))
		die("the upgrade was refused");
	c->n = 0;
	c->frames = true;
}

static void connect_caller(struct carrier *k, unsigned long port, bool frames)
{
	struct sockaddr_in in = at_port(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct conn *c;

	if (fd < 0 || connect(fd, (struct sockaddr *)&in, sizeof(in)))
		die("connect");
	c = conn_new(k, fd, k->client, &k->caller);
	if (frames)
		upgrade(c);
	watch(k, fd, c);
}

static void open_callee(struct carrier *k, char **argv)
{
	unsigned long port = strtoul(argv[4], NULL, 10);

	k->server = SSL_CTX_new(TLS_server_method());
	if (SSL_CTX_use_certificate_chain_file(k->server, argv[5]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(k->server, argv[6], SSL_FILETYPE_PEM) != 1)
		die("certificate");
	k->callee.fd = bound(SOCK_DGRAM, 0);
	k->callee.to = at_port(port);
	watch(k, k->callee.fd, &k->callee);
	k->listener = bound(SOCK_STREAM, port);
	if (listen(k->listener, MAX_CONNECTIONS))
		die("listen");
	watch(k, k->listener, &k->listener);
}

static void from_generator(struct side *s)
{
	char msg[MAX_BYTES];
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	ssize_t n = recvfrom(s->fd, msg, sizeof(msg), 0, (struct sockaddr *)&from, &size);

	if (n < 0)
		die("recvfrom");
	s->to = from;
	if (s->conn)
		send_message(s->conn, msg, (size_t)n);
}

static void from_server(struct conn *c)
{
	if (take(c))
		return;
	if (c->side->conn == c)
		c->side->conn = NULL;
	close(c->fd);
	SSL_free(c->ssl);
	free(c);
}

static void accept_one(struct carrier *k)
{
	int fd = accept(k->listener, NULL, NULL);

	if (fd < 0)
		die("accept");
	watch(k, fd, conn_new(k, fd, k->server, &k->callee));
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	static struct carrier k;
	bool tls = argc == 7 && !strcmp(argv[1], "tls");

	if (!tls && (argc != 4 || strcmp(argv[1], "wss"))) {
		fprintf(stderr, "carrier tls SERVER_PORT UDP_PORT CALLEE_PORT CERT KEY | wss SERVER_PORT UDP_PORT\n");
		return 2;
	}
	k.epoll = epoll_create1(0);
	k.client = SSL_CTX_new(TLS_client_method());
	k.caller.fd = bound(SOCK_DGRAM, strtoul(argv[3], NULL, 10));
	watch(&k, k.caller.fd, &k.caller);
	if (tls)
		open_callee(&k, argv);
	connect_caller(&k, strtoul(argv[2], NULL, 10), !tls);
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(k.epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			void *what = events[i].data.ptr;

			if (what == &k.listener)
				accept_one(&k);
			else if (what == &k.caller || what == &k.callee)
				from_generator(what);
			else
				from_server(what);
		}
	}
}
