#include "fake_http.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAX_CONNECTIONS = 512, MAX_REQUESTS = 1024, MAX_BYTES = 4 << 20 };

struct client {
	struct fake_http *server;
	pthread_t thread;
	int fd;
};

struct fake_http {
	int fd;
	uint16_t port;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	const struct fake_page *pages;
	struct client clients[MAX_CONNECTIONS];
	size_t client_count, connections;
	char *requests[MAX_REQUESTS];
	size_t request_count;
};

/* One request with its body. NULL = the client has left. */
static char *read_request(int fd)
{
	char *data = calloc(1, MAX_BYTES + 1), *end = NULL;
	size_t n = 0, need = 0;

	while (n < MAX_BYTES && (!end || n < need)) {
		ssize_t got = recv(fd, data + n, end ? need - n : 1, 0);
		const char *length;

		if (got <= 0) {
			free(data);
			return NULL;
		}
		n += (size_t)got;
		if (end)
			continue;
		end = strstr(data + (n > 4 ? n - 4 : 0), "\r\n\r\n");
		length = end ? strcasestr(data, "\r\nContent-Length:") : NULL;
		need = n + (length ? strtoul(length + 17, NULL, 10) : 0);
	}
	return data;
}

static const struct fake_page *find(struct fake_http *h, const char *request)
{
	const char *path = strchr(request, ' ');
	size_t n = path ? strcspn(++path, " ") : 0;
	const struct fake_page *p = h->pages;

	for (; p && p->path; p++)
		if (!strcmp(p->path, "*") || (strlen(p->path) == n && !strncmp(p->path, path, n)))
			return p;
	return NULL;
}

static const struct fake_page *note_request(struct fake_http *h, char *request)
{
	const struct fake_page *p;

	pthread_mutex_lock(&h->lock);
	p = find(h, request);
	if (h->request_count < MAX_REQUESTS)
		h->requests[h->request_count++] = request;
	else
		free(request);
	pthread_mutex_unlock(&h->lock);
	return p;
}

static bool say(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t sent = send(fd, data, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		data += sent;
		n -= (size_t)sent;
	}
	return true;
}

static void flood(int fd)
{
	char block[65536];

	memset(block, 'x', sizeof(block));
	while (say(fd, block, sizeof(block)))
		;
}

static void *serve(void *arg)
{
	static const char missing[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
	static const char empty[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	struct client *c = arg;
	bool more = true;
	char *request, byte;

	while (more && (request = read_request(c->fd))) {
		const struct fake_page *p = note_request(c->server, request);
		const char *reply = !p ? missing : p->reply ? p->reply : empty;

		more = say(c->fd, reply, strlen(reply)) && (!p || p->then == FAKE_KEEP);
		if (p && p->then == FAKE_RUDE && (request = read_request(c->fd)))
			note_request(c->server, request);
		if (p && p->then == FAKE_FLOOD)
			flood(c->fd);
		if (p && p->then == FAKE_HANG)
			while (recv(c->fd, &byte, 1, 0) > 0)
				;
	}
	shutdown(c->fd, SHUT_RDWR);
	return NULL;
}

static void *accept_all(void *arg)
{
	struct fake_http *h = arg;
	int fd;

	while ((fd = accept(h->fd, NULL, NULL)) >= 0) {
		struct client *c;

		pthread_mutex_lock(&h->lock);
		if (h->client_count == MAX_CONNECTIONS) {
			close(fd);
		} else {
			c = &h->clients[h->client_count++];
			*c = (struct client){ .server = h, .fd = fd };
			pthread_create(&c->thread, NULL, serve, c);
		}
		h->connections++;
		pthread_mutex_unlock(&h->lock);
	}
	return NULL;
}

struct fake_http *fake_http_new(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct fake_http *h = calloc(1, sizeof(*h));
	socklen_t n = sizeof(at);

	assert_non_null(h);
	pthread_mutex_init(&h->lock, NULL);
	h->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(h->fd >= 0);
	assert_int_equal(bind(h->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(h->fd, 512), 0);
	assert_int_equal(getsockname(h->fd, (struct sockaddr *)&at, &n), 0);
	h->port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&h->thread, NULL, accept_all, h), 0);
	return h;
}

void fake_http_pages(struct fake_http *h, const struct fake_page *pages)
{
	pthread_mutex_lock(&h->lock);
	h->pages = pages;
	pthread_mutex_unlock(&h->lock);
}

uint16_t fake_http_port(const struct fake_http *h)
{
	return h->port;
}

size_t fake_http_connections(struct fake_http *h)
{
	size_t n;

	pthread_mutex_lock(&h->lock);
	n = h->connections;
	pthread_mutex_unlock(&h->lock);
	return n;
}

size_t fake_http_requests(struct fake_http *h)
{
	size_t n;

	pthread_mutex_lock(&h->lock);
	n = h->request_count;
	pthread_mutex_unlock(&h->lock);
	return n;
}

const char *fake_http_request(struct fake_http *h, size_t n)
{
	const char *text;

	pthread_mutex_lock(&h->lock);
	text = n < h->request_count ? h->requests[n] : "";
	pthread_mutex_unlock(&h->lock);
	return text;
}

void fake_http_forget(struct fake_http *h)
{
	pthread_mutex_lock(&h->lock);
	while (h->request_count)
		free(h->requests[--h->request_count]);
	h->connections = 0;
	pthread_mutex_unlock(&h->lock);
}

void fake_http_free(struct fake_http **server)
{
	struct fake_http *h = *server;

	*server = NULL;
	shutdown(h->fd, SHUT_RDWR);
	pthread_join(h->thread, NULL);
	close(h->fd);
	for (size_t i = 0; i < h->client_count; i++) {
		shutdown(h->clients[i].fd, SHUT_RDWR);
		pthread_join(h->clients[i].thread, NULL);
		close(h->clients[i].fd);
	}
	fake_http_forget(h);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
