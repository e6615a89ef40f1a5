#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "net/sock_impl.h"

enum {
	BACKLOG = 1024,
	ACCEPTS_A_TURN = 32,
	ACCEPT_PAUSE_MS = 100,
	MAX_QUEUE = 256 * 1024,
	LINGER_MS = 2000,
	PROBE_AFTER_S = 60,
	PROBE_EVERY_S = 10,
	PROBES = 6,
	UNACKED_MS = 32000, /* SIP has given a transaction up by then; the next one shall try a new connection */
	SHAKE_MS = 10000,
	SHAKES_A_TURN = 8, /* each may cost a signature */
	RECORDS_A_TURN = 16
};

static bool is_web(enum wire_kind kind)
{
	return kind == WIRE_WS || kind == WIRE_WSS;
}

static size_t queued(const struct sock_wire *w)
{
	return w->queue.len - w->sent;
}

static unsigned wanted(const struct sock_wire *w)
{
	unsigned events = w->role == SOCK_STANDING || w->write_wants_read ? LOOP_READ : 0;

	if (w->role == SOCK_SHAKING)
		return w->shake == TLS_WANT_WRITE ? LOOP_WRITE : LOOP_READ;
	/* A writable socket is of no use to what waits for the peer's bytes. */
	if (w->role == SOCK_CONNECTING || w->read_wants_write || (queued(w) && !w->write_wants_read))
		events |= LOOP_WRITE;
	return events;
}

static void watch(struct sock_wire *w)
{
	int err = loop_io_change(w->net->loop, &w->io, wanted(w));

	assert(!err); /* there is always something to watch for, and changing a watch needs no memory */
}

static void tune(int fd)
{
	sock_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	sock_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	sock_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, PROBE_AFTER_S);
	sock_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, PROBE_EVERY_S);
	sock_set(fd, IPPROTO_TCP, TCP_KEEPCNT, PROBES);
	sock_set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKED_MS);
}

static void die(struct sock_wire *w, int err, const char *why)
{
	if (w->role != SOCK_LINGERING)
		w->h->closed(w->arg, &w->wire, err, why);
	sock_wire_drop(w);
}

static void die_of_tls(struct sock_wire *w)
{
	char why[TLS_WHY];
	int err = tls_why(w->tls, &w->remote, why);

	die(w, err, why);
}

/* --- sending --- */

/* The socket may be in good health, so the loop would have nothing to tell. */
static void broken(void *arg)
{
	die(arg, EPROTO, "TLS: the connection broke");
}

static ssize_t push_tls(struct sock_wire *w, const char *data, size_t n)
{
	size_t done = 0;

	w->write_wants_read = false;
	switch (tls_write(w->tls, data, n, &done)) {
	case TLS_DONE:
		return (ssize_t)done;
	case TLS_WANT_READ:
		w->write_wants_read = true;
		return 0;
	case TLS_WANT_WRITE:
		return 0;
	case TLS_CLOSED:
	case TLS_FAILED:
		break;
	}
	loop_timer_start(w->net->loop, &w->timer, 0, broken, w);
	errno = EPIPE;
	return -1;
}

/* Bytes the kernel took, 0 when it has no room; -1: the connection is broken (errno). */
static ssize_t push(struct sock_wire *w, const char *data, size_t n)
{
	ssize_t done;

	if (w->tls)
		return push_tls(w, data, n);
	done = send(w->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (done < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == EINTR))
		return 0;
	return done;
}

/* 0 or errno. */
static int flush(struct sock_wire *w)
{
	ssize_t done;

	do { /* TLS takes a record at a time */
		if (!queued(w))
			return 0;
		done = push(w, w->queue.data + w->sent, queued(w));
		if (done < 0)
			return errno;
		w->sent += (size_t)done;
	} while (w->tls && done);
	if (queued(w))
		return 0;
	buf_free(&w->queue); /* idle connections keep no memory */
	w->sent = 0;
	return 0;
}

static int enqueue(struct sock_wire *w, const char *data, size_t n)
{
	if (w->sent && w->sent >= w->queue.len / 2) {
		memmove(w->queue.data, w->queue.data + w->sent, queued(w));
		w->queue.len -= w->sent;
		w->sent = 0;
	}
	buf_add(&w->queue, data, n);
	return w->queue.failed ? ENOMEM : 0;
}

int sock_stream_send(struct sock_wire *w, const char *data, size_t n)
{
	ssize_t done = 0;
	int err;

	assert(w->role == SOCK_STANDING || w->role == SOCK_CONNECTING || w->role == SOCK_SHAKING);
	if (queued(w) + n > MAX_QUEUE)
		return ENOBUFS;
	if (w->role == SOCK_STANDING && !queued(w)) {
		done = push(w, data, n);
		if (done < 0)
			return ENOTCONN; /* closed() follows from the loop */
	}
	if ((size_t)done == n)
		return 0;
	err = enqueue(w, data + done, n - (size_t)done);
	watch(w);
	return err;
}

static void linger_over(void *arg)
{
	sock_wire_drop(arg);
}

void sock_stream_close(struct sock_wire *w)
{
	if (!queued(w)) {
		sock_wire_drop(w);
		return;
	}
	/* A connect that still runs goes on: what was sent before it stands is owed too. */
	w->role = SOCK_LINGERING;
	watch(w);
	loop_timer_start(w->net->loop, &w->timer, LINGER_MS, linger_over, w);
}

/* --- TLS --- */

static void shake_late(void *arg)
{
	die(arg, ETIMEDOUT, "TLS handshake not finished within 10 s");
}

static void turn_over(void *arg)
{
	((struct sock_net *)arg)->shakes = 0;
}

/* The loop shows the socket again next turn. */
static bool may_shake(struct sock_net *net)
{
	if (!net->shakes)
		loop_timer_start(net->loop, &net->turn, 0, turn_over, net);
	return net->shakes < SHAKES_A_TURN && ++net->shakes;
}

static void shaken(struct sock_wire *w)
{
	loop_timer_stop(w->net->loop, &w->timer);
	w->role = SOCK_STANDING;
	watch(w);
	if (!tls_is_server(w->tls) && w->h->connected)
		w->h->connected(w->arg, &w->wire);
}

/* Who only connects costs a socket; the rest is made when the first byte comes. */
static int begin_tls(struct sock_wire *w)
{
	char at[ADDR_TEXT];

	if (w->outgoing)
		return tls_connect(&w->tls, w->net->tls, w->fd, w->name ? w->name : addr_host(&w->remote, at));
	return tls_accept(&w->tls, w->net->tls, w->fd);
}

static void shake(struct sock_wire *w)
{
	int err;

	if (!may_shake(w->net))
		return;
	err = w->tls ? 0 : begin_tls(w);
	if (err) {
		die(w, err, strerror(err));
		return;
	}
	w->shake = tls_handshake(w->tls);
	switch (w->shake) {
	case TLS_DONE:
		shaken(w);
		break;
	case TLS_WANT_READ:
	case TLS_WANT_WRITE:
		watch(w);
		break;
	case TLS_CLOSED:
		die(w, ECONNRESET, "TLS: closed by the peer during the handshake");
		break;
	case TLS_FAILED:
		die_of_tls(w);
		break;
	}
}

static void start_shaking(struct sock_wire *w)
{
	w->role = SOCK_SHAKING;
	w->shake = w->outgoing ? TLS_WANT_WRITE : TLS_WANT_READ;
	loop_timer_start(w->net->loop, &w->timer, SHAKE_MS, shake_late, w);
	watch(w);
}

/* Whole records, so nothing waits inside OpenSSL where the loop cannot see it. */
static void read_tls(struct sock_wire *w)
{
	struct sock_net *net = w->net;
	enum tls_result r = TLS_DONE;
	size_t n;

	net->reading = w;
	for (int i = 0; i < RECORDS_A_TURN && net->reading; i++) {
		r = tls_read(w->tls, net->space, SOCK_DATAGRAM, &n);
		if (r != TLS_DONE)
			break;
		w->h->bytes(w->arg, &w->wire, &w->remote, net->space, n);
	}
	if (!net->reading)
		return;
	net->reading = NULL;
	w->read_wants_write = r == TLS_WANT_WRITE;
	if (r == TLS_CLOSED)
		die(w, 0, "closed by the peer");
	else if (r == TLS_FAILED)
		die_of_tls(w);
	else
		watch(w);
}

/* --- connections --- */

static void connect_over(struct sock_wire *w)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &err, &len))
		err = errno;
	if (err) {
		die(w, err, strerror(err));
		return;
	}
	if (w->wire.kind == WIRE_TLS) {
		start_shaking(w);
		return;
	}
	w->role = SOCK_STANDING;
	watch(w);
	if (w->h->connected)
		w->h->connected(w->arg, &w->wire);
}

static void read_stream(struct sock_wire *w)
{
	ssize_t n;

	if (w->tls) {
		read_tls(w);
		return;
	}
	n = recv(w->fd, w->net->space, SOCK_DATAGRAM, MSG_DONTWAIT);
	if (n > 0)
		w->h->bytes(w->arg, &w->wire, &w->remote, w->net->space, (size_t)n);
	else if (!n)
		die(w, 0, "closed by the peer");
	else if (errno != EAGAIN && errno != EINTR)
		die(w, errno, strerror(errno));
}

void sock_stream_ready(struct sock_wire *w, unsigned ready)
{
	int err = 0;

	if (w->role == SOCK_CONNECTING) {
		connect_over(w);
		return;
	}
	if (w->role == SOCK_SHAKING) {
		shake(w);
		return;
	}
	if (ready & LOOP_WRITE || w->write_wants_read)
		err = flush(w);
	if (err || (w->role == SOCK_LINGERING && !queued(w))) {
		die(w, err, strerror(err));
		return;
	}
	watch(w);
	if (w->role == SOCK_STANDING && (ready & LOOP_READ || w->read_wants_write))
		read_stream(w);
}

int sock_connect(struct net *net, struct wire **out, enum wire_kind kind, const struct addr *local,
		 const struct addr *remote, const struct wire_handlers *h, void *arg)
{
	struct sock_net *n = (struct sock_net *)(void *)net;
	struct sock_wire *w = NULL;
	int fd = -1, err;

	if (kind != WIRE_TCP && (kind != WIRE_TLS || !n->tls))
		return EPROTONOSUPPORT;
	err = sock_make(&fd, SOCK_STREAM, remote);
	if (err)
		return err;
	tune(fd);
	/* The port is chosen by connect(), which may share it between different peers. */
	sock_set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	if (local && bind(fd, &local->sa, addr_len(local)))
		err = errno;
	else if (connect(fd, &remote->sa, addr_len(remote)) && errno != EINPROGRESS)
		err = errno;
	if (!err)
		err = sock_wire_new(&w, n, SOCK_CONNECTING, fd, LOOP_WRITE);
	if (err) {
		close(fd);
		return err;
	}
	w->wire.kind = kind;
	w->outgoing = true;
	w->h = h;
	w->arg = arg;
	w->remote = *remote;
	*out = &w->wire;
	return 0;
}

/* --- listeners --- */

static void resume(void *arg)
{
	struct sock_wire *w = arg;

	if (loop_io_change(w->net->loop, &w->io, LOOP_READ))
		loop_timer_start(w->net->loop, &w->timer, ACCEPT_PAUSE_MS, resume, w);
}

/* Out of descriptors or memory. The listener stays readable, so looking at once again would only burn time. */
static void pause_accepting(struct sock_wire *w, int err)
{
	if (!w->short_of_files)
		log_printf(LOG_ERROR, NULL, "net: no new connections for now: %s", strerror(err));
	w->short_of_files = true;
	loop_io_change(w->net->loop, &w->io, 0);
	loop_timer_start(w->net->loop, &w->timer, ACCEPT_PAUSE_MS, resume, w);
}

/* Who finds no place is let go. */
static void adopt_web(struct sock_wire *listener, int fd, const struct addr *from)
{
	const struct web_sip_guest guest = { fd, listener->wire.kind, *from, listener->h, listener->arg };

	if (web_sip_adopt(listener->net->web, &listener->wire, &guest))
		close(fd);
}

/* 0 or errno; EAGAIN = nobody waits. */
static int accept_one(struct sock_wire *listener)
{
	struct sock_wire *w = NULL;
	struct addr from = { 0 };
	socklen_t len = sizeof(from);
	int fd = accept4(listener->fd, &from.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int err;

	if (fd < 0)
		return errno;
	tune(fd);
	if (is_web(listener->wire.kind)) {
		adopt_web(listener, fd, &from);
		return 0;
	}
	err = sock_wire_new(&w, listener->net, SOCK_STANDING, fd, LOOP_READ);
	if (err) {
		close(fd);
		return err;
	}
	w->wire.kind = listener->wire.kind;
	w->h = listener->h;
	w->arg = listener->arg;
	w->remote = from;
	if (w->wire.kind == WIRE_TLS)
		start_shaking(w);
	listener->h->accepted(listener->arg, &listener->wire, &w->wire, &from);
	return 0;
}

void sock_listener_ready(struct sock_wire *w)
{
	struct sock_net *net = w->net;
	int err = 0;

	net->reading = w;
	for (int i = 0; i < ACCEPTS_A_TURN && !err && net->reading; i++) {
		err = accept_one(w);
		/* The peer has gone while it waited; the next one may be there. */
		if (err == ECONNABORTED || err == EINTR || err == EPROTO)
			err = 0;
		else if (!err && net->reading)
			w->short_of_files = false;
	}
	if (net->reading && err && err != EAGAIN)
		pause_accepting(w, err);
	net->reading = NULL;
}

static bool can_listen(const struct sock_net *n, enum wire_kind kind)
{
	bool certified = n->tls && tls_ctx_can_accept(n->tls);

	return kind == WIRE_TCP || kind == WIRE_WS || ((kind == WIRE_TLS || kind == WIRE_WSS) && certified);
}

static int start_web(struct sock_net *n)
{
	int err = n->web ? 0 : web_sip_new(&n->web, n->loop);

	return err || !n->tls ? err : web_sip_use_tls(n->web, n->tls);
}

int sock_listen(struct net *net, struct wire **out, enum wire_kind kind, const struct addr *local,
		const struct wire_handlers *h, void *arg)
{
	struct sock_net *n = (struct sock_net *)(void *)net;
	struct sock_wire *w = NULL;
	int fd = -1, err;

	if (!can_listen(n, kind))
		return EPROTONOSUPPORT;
	err = is_web(kind) ? start_web(n) : 0;
	if (!err)
		err = sock_make(&fd, SOCK_STREAM, local);
	if (err)
		return err;
	/* Connections of a server that has ended still hold the port for a minute. */
	sock_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(fd, &local->sa, addr_len(local)) || listen(fd, BACKLOG))
		err = errno;
	if (!err)
		err = sock_wire_new(&w, n, SOCK_LISTENER, fd, LOOP_READ);
	if (err) {
		close(fd);
		return err;
	}
	w->wire.kind = kind;
	w->h = h;
	w->arg = arg;
	*out = &w->wire;
	return 0;
}
