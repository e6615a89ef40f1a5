#include "net/sock.h"

#include <assert.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/sock_impl.h"

enum { UDP_BUFFER_BYTES = 4 * 1024 * 1024, UDP_FULL_BYTES = 6 << 20, UDP_ROUNDS = 4 };
enum { ROTATE_MS = 3600 * 1000 };

static const struct net_ops ops;

static struct sock_net *net_of(struct net *n)
{
	return (struct sock_net *)(void *)n;
}

static struct sock_wire *wire_of(const struct wire *w)
{
	return (struct sock_wire *)(void *)w;
}

void sock_set(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof(value));
}

int sock_make(int *out, int type, const struct addr *of)
{
	int fd = socket(of->sa.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return errno;
	/* Else [::]:5060 would also take 0.0.0.0:5060, and mapped addresses would come up to us. */
	if (addr_is_v6(of) && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on))) {
		on = errno;
		close(fd);
		return on;
	}
	*out = fd;
	return 0;
}

int sock_udp(int *out, const struct addr *local)
{
	int fd = -1, err = sock_make(&fd, SOCK_DGRAM, local);

	if (err)
		return err;
	if (bind(fd, &local->sa, addr_len(local))) {
		err = errno;
		close(fd);
		return err;
	}
	*out = fd;
	return 0;
}

int sock_udp_to(int *out, struct addr *source, const struct addr *local, const struct addr *remote)
{
	struct addr at = { 0 };
	socklen_t len = sizeof(at);
	int fd = -1, err = local ? sock_udp(&fd, local) : sock_make(&fd, SOCK_DGRAM, remote);

	if (err)
		return err;
	if (connect(fd, &remote->sa, addr_len(remote)) || getsockname(fd, &at.sa, &len)) {
		err = errno;
		close(fd);
		return err;
	}
	*source = at;
	*out = fd;
	return 0;
}

int sock_source_for(struct addr *out, const struct addr *remote)
{
	struct addr to = *remote, local = { 0 };
	socklen_t len = sizeof(local);
	int fd = -1, err = sock_make(&fd, SOCK_DGRAM, remote);

	if (err)
		return err;
	if (!addr_port(&to))
		addr_set_port(&to, 9);
	/* For UDP, connect() only asks the routing table. */
	if (connect(fd, &to.sa, addr_len(&to)) || getsockname(fd, &local.sa, &len))
		err = errno;
	close(fd);
	if (err)
		return err;
	addr_set_port(&local, 0);
	*out = local;
	return 0;
}

/* --- wires --- */

static void read_datagrams(struct sock_wire *w);

static void on_ready(void *arg, unsigned ready)
{
	struct sock_wire *w = arg;

	switch (w->role) {
	case SOCK_UDP:
		read_datagrams(w);
		break;
	case SOCK_LISTENER:
		sock_listener_ready(w);
		break;
	case SOCK_CONNECTING:
	case SOCK_SHAKING:
	case SOCK_STANDING:
	case SOCK_LINGERING:
		sock_stream_ready(w, ready);
		break;
	}
}

int sock_wire_new(struct sock_wire **out, struct sock_net *n, enum sock_role role, int fd, unsigned events)
{
	struct sock_wire *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return ENOMEM;
	err = loop_io_add(n->loop, &w->io, fd, events, on_ready, w);
	if (err) {
		free(w);
		return err;
	}
	w->wire.ops = &ops;
	w->wire.kind = role == SOCK_UDP ? WIRE_UDP : WIRE_TCP;
	w->net = n;
	w->role = role;
	w->fd = fd;
	list_append(&n->wires, &w->node);
	*out = w;
	return 0;
}

void sock_wire_drop(struct sock_wire *w)
{
	if (w->net->reading == w)
		w->net->reading = NULL;
	loop_timer_stop(w->net->loop, &w->timer);
	loop_io_remove(w->net->loop, &w->io);
	tls_free(&w->tls);
	close(w->fd);
	list_remove(&w->node);
	buf_free(&w->queue);
	free(w->name);
	free(w);
}

/* --- datagrams --- */

/* Hand up what one system call brings. Returns false when there is no more for now, or w is gone. */
static bool read_batch(struct sock_wire *w)
{
	struct sock_net *net = w->net;
	struct mmsghdr msgs[SOCK_BATCH];
	struct addr from[SOCK_BATCH];
	struct iovec parts[SOCK_BATCH];
	int n;

	memset(msgs, 0, sizeof(msgs));
	for (size_t i = 0; i < SOCK_BATCH; i++) {
		parts[i] = (struct iovec){ net->space + i * SOCK_DATAGRAM, SOCK_DATAGRAM };
		msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &from[i], .msg_namelen = sizeof(from[i]), .msg_iov = &parts[i], .msg_iovlen = 1
		};
	}
	n = recvmmsg(w->fd, msgs, SOCK_BATCH, MSG_DONTWAIT, NULL);
	net->reading = w;
	for (int i = 0; i < n && net->reading; i++)
		w->h->bytes(w->arg, &w->wire, &from[i], parts[i].iov_base, msgs[i].msg_len);
	return net->reading && n == SOCK_BATCH;
}

/* Bounded, so that a flood on one socket does not starve the timers. */
static void read_datagrams(struct sock_wire *w)
{
	struct sock_net *net = w->net;

	for (int i = 0; i < UDP_ROUNDS && read_batch(w); i++)
		;
	net->reading = NULL;
}

static int op_udp_open(struct net *net, struct wire **out, const struct addr *local, const struct wire_handlers *h,
		       void *arg)
{
	struct sock_wire *w = NULL;
	int fd = -1, err = sock_udp(&fd, local);

	if (err)
		return err;
	/* A burst of calls must fit while a handler works. The first option is for the privileged. */
	sock_set(fd, SOL_SOCKET, SO_RCVBUF, UDP_BUFFER_BYTES);
	sock_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, UDP_BUFFER_BYTES);
	err = sock_wire_new(&w, net_of(net), SOCK_UDP, fd, LOOP_READ);
	if (err) {
		close(fd);
		return err;
	}
	w->h = h;
	w->arg = arg;
	*out = &w->wire;
	return 0;
}

static int send_datagram(struct sock_wire *w, const struct addr *to, const void *data, size_t n)
{
	if (sendto(w->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL, &to->sa, addr_len(to)) >= 0)
		return 0;
	/* No room, or news about an earlier datagram: this one counts as lost on the way. */
	if (errno == EAGAIN || errno == ENOBUFS || errno == ECONNREFUSED)
		return 0;
	return errno;
}

/* --- the door --- */

static int op_send(struct wire *wire, const struct addr *to, const void *data, size_t n)
{
	struct sock_wire *w = wire_of(wire);

	if (w->role == SOCK_UDP)
		return send_datagram(w, to, data, n);
	return sock_stream_send(w, data, n);
}

static void op_close(struct wire *wire)
{
	struct sock_wire *w = wire_of(wire);

	if (w->role == SOCK_STANDING || (w->role == SOCK_CONNECTING && wire->kind == WIRE_TCP))
		sock_stream_close(w);
	else
		sock_wire_drop(w);
}

static void op_local(const struct wire *w, struct addr *out)
{
	socklen_t len = sizeof(*out);

	memset(out, 0, sizeof(*out));
	getsockname(wire_of(w)->fd, &out->sa, &len);
}

static void op_set_arg(struct wire *w, void *arg)
{
	wire_of(w)->arg = arg;
}

static int op_set_name(struct wire *wire, const char *name)
{
	struct sock_wire *w = wire_of(wire);
	char *copy = str_heap(str_of(name));

	assert(w->role == SOCK_CONNECTING);
	if (!copy)
		return ENOMEM;
	free(w->name);
	w->name = copy;
	return 0;
}

static int op_source_for(struct net *n, const struct addr *remote, struct addr *out)
{
	return sock_source_for(out, remote);
}

static unsigned op_crowding(const struct wire *w)
{
	uint32_t info[SK_MEMINFO_VARS];
	socklen_t len = sizeof(info);

	uint32_t full;

	if (getsockopt(wire_of(w)->io.fd, SOL_SOCKET, SO_MEMINFO, info, &len) || !info[SK_MEMINFO_RCVBUF])
		return 0;
	full = info[SK_MEMINFO_RCVBUF] < UDP_FULL_BYTES ? info[SK_MEMINFO_RCVBUF] : UDP_FULL_BYTES;
	return (unsigned)((uint64_t)info[SK_MEMINFO_RMEM_ALLOC] * 1000 / full);
}

static const struct net_ops ops = {
	.udp_open = op_udp_open,
	.listen = sock_listen,
	.connect = sock_connect,
	.send = op_send,
	.close = op_close,
	.local = op_local,
	.set_arg = op_set_arg,
	.set_name = op_set_name,
	.source_for = op_source_for,
	.crowding = op_crowding,
};

int sock_net_new(struct net **out, struct loop *l)
{
	struct sock_net *n = calloc(1, sizeof(*n));

	if (!n)
		return ENOMEM;
	n->space = malloc((size_t)SOCK_BATCH * SOCK_DATAGRAM);
	if (!n->space) {
		free(n);
		return ENOMEM;
	}
	n->net.ops = &ops;
	n->loop = l;
	list_init(&n->wires);
	*out = &n->net;
	return 0;
}

static void rotate(void *arg)
{
	struct sock_net *n = arg;

	if (!n->tls)
		return;
	tls_ctx_rotate(n->tls);
	loop_timer_start(n->loop, &n->rotate, ROTATE_MS, rotate, n);
}

void sock_net_swap_tls(struct net *net, struct tls_ctx **ctx)
{
	struct sock_net *n = net_of(net);
	struct tls_ctx *old = n->tls;

	n->tls = *ctx;
	*ctx = old;
	if (n->web && n->tls)
		web_sip_use_tls(n->web, n->tls);
	loop_timer_start(n->loop, &n->rotate, ROTATE_MS, rotate, n);
}

int sock_net_set_tls(struct net *net, const struct sock_tls *opts, char why[160])
{
	struct tls_ctx *ctx = NULL;
	int err = tls_ctx_new(&ctx, opts, why);

	if (err)
		return err;
	sock_net_swap_tls(net, &ctx);
	tls_ctx_free(&ctx);
	return 0;
}

void sock_net_free(struct net **np)
{
	struct sock_net *n = *np ? net_of(*np) : NULL;
	struct list *first;

	if (!n)
		return;
	while ((first = list_first(&n->wires))) {
		struct sock_wire *w = LIST_ITEM(first, struct sock_wire, node);

		assert(w->role == SOCK_LINGERING);
		sock_wire_drop(w);
	}
	loop_timer_stop(n->loop, &n->turn);
	web_sip_free(&n->web);
	loop_timer_stop(n->loop, &n->rotate);
	tls_ctx_free(&n->tls);
	free(n->space);
	free(n);
	*np = NULL;
}
