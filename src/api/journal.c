#include "api/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

/* Positions count bytes from the birth of the file and only rise; the place in the ring is the rest by its size. A
 * record says its own position, so what is left of an earlier round is never taken for a new one. */

enum state { /* anything else: nothing was written here */
	     STATE_NONE,
	     STATE_OPEN = 0x6b6f6f01,
	     STATE_DONE = 0x6b6f6f02,
	     STATE_SKIP = 0x6b6f6f03, /* the rest of the round; a record is never cut */
};

enum { NO_TICKET = 0, IN_STORE = 1, FIRST_TICKET = 2 };

struct head { /* of the file */
	char magic[8];
	uint64_t bytes;        /* of the ring */
	_Atomic uint64_t tail; /* position of the oldest record that is not overwritten */
	uint64_t unused[5];
};

struct record { /* the texts stand behind it: id, call id, URL, body */
	_Atomic uint32_t state;
	uint32_t sum;    /* over all behind it, but for the ticket */
	uint64_t ticket; /* for this process only */
	uint64_t at;     /* its position */
	int64_t number;
	uint64_t created_ms;
	uint32_t sequence;
	uint16_t id_bytes, call_id_bytes;
	uint32_t final;
	uint32_t url_bytes, body_bytes;
	uint32_t unused;
};

static_assert(sizeof(struct head) == JOURNAL_HEAD_BYTES, "the file's head is one unit");
static_assert(sizeof(struct record) == JOURNAL_ALIGN_BYTES, "a record's head fits wherever one may begin");

struct journal {
	struct head *file;
	char *ring;
	uint64_t bytes;      /* of the ring */
	uint64_t next, tail; /* positions */
	struct journal_counts counts;
	void *map; /* NULL = the caller's memory */
	size_t map_bytes;
	int fd;
};

static const char magic[8] = "XPhooks2";

static struct record *at(const struct journal *j, uint64_t position)
{
	return (struct record *)(void *)(j->ring + position % j->bytes);
}

static uint64_t to_end(const struct journal *j, uint64_t position)
{
	return j->bytes - position % j->bytes;
}

static uint64_t whole_bytes(uint64_t id, uint64_t call_id, uint64_t url, uint64_t body)
{
	uint64_t n = sizeof(struct record) + id + call_id + url + body;

	return (n + JOURNAL_ALIGN_BYTES - 1) / JOURNAL_ALIGN_BYTES * JOURNAL_ALIGN_BYTES;
}

static uint64_t record_bytes(const struct journal *j, const struct record *r, uint64_t position)
{
	if (atomic_load_explicit(&r->state, memory_order_acquire) == STATE_SKIP)
		return to_end(j, position);
	return whole_bytes(r->id_bytes, r->call_id_bytes, r->url_bytes, r->body_bytes);
}

/* In the way of FNV-1a, but a word of eight bytes a step, and folded so that high bits reach low ones: finds what was torn, not
 * who forges. */
static uint32_t sum_up(const void *data, size_t n)
{
	const uint64_t prime = 0x9fb21c651e98df25ULL;
	const unsigned char *p = data;
	uint64_t sum = n, word;

	for (; n; n -= n < sizeof(word) ? n : sizeof(word), p += sizeof(word)) {
		word = 0;
		memcpy(&word, p, n < sizeof(word) ? n : sizeof(word));
		sum = (sum ^ word) * prime;
		sum ^= sum >> 32;
	}
	return (uint32_t)sum;
}

static uint32_t sum_of(const struct record *r)
{
	size_t texts = (size_t)r->id_bytes + r->call_id_bytes + r->url_bytes + r->body_bytes;

	return sum_up(&r->at, sizeof(*r) - offsetof(struct record, at) + texts);
}

/* --- what was left --- */

/* Could a record be here, whole or damaged? */
static bool is_record(const struct journal *j, uint64_t position)
{
	const struct record *r = at(j, position);
	uint32_t state = atomic_load_explicit(&r->state, memory_order_acquire);
	uint64_t bytes;

	if ((state != STATE_OPEN && state != STATE_DONE && state != STATE_SKIP) || r->at != position)
		return false;
	bytes = record_bytes(j, r, position);
	return bytes <= to_end(j, position) && position + bytes - j->tail <= j->bytes;
}

/* Finds where the records end; damaged ones become done, and none has a ticket of this process. */
static void scan(struct journal *j)
{
	j->next = j->tail;
	while (j->next - j->tail < j->bytes && is_record(j, j->next)) {
		struct record *r = at(j, j->next);
		uint32_t state = atomic_load_explicit(&r->state, memory_order_relaxed);

		j->next += record_bytes(j, r, j->next);
		if (state == STATE_SKIP)
			continue;
		r->ticket = NO_TICKET;
		if (r->sum == sum_of(r) && r->number > 0 && r->number < INT64_MAX / 2) {
			j->counts.whole++;
			continue;
		}
		j->counts.damaged++;
		/* Its lengths brought us to the next one, and may be right; its texts are not to be had. */
		r->number = 0;
		atomic_store_explicit(&r->state, STATE_DONE, memory_order_release);
	}
}

static void begin(struct journal *j)
{
	/* Old records would bear positions that come again. */
	memset(j->file, 0, JOURNAL_HEAD_BYTES + j->bytes);
	j->file->bytes = j->bytes;
	atomic_thread_fence(memory_order_release);
	memcpy(j->file->magic, magic, sizeof(magic));
}

int journal_over(struct journal **out, void *memory, size_t bytes)
{
	struct journal *j;

	if (bytes < JOURNAL_HEAD_BYTES + 2 * JOURNAL_ALIGN_BYTES)
		return EINVAL;
	j = calloc(1, sizeof(*j));
	if (!j)
		return ENOMEM;
	j->fd = -1;
	j->file = memory;
	j->ring = (char *)memory + JOURNAL_HEAD_BYTES;
	j->bytes = (bytes - JOURNAL_HEAD_BYTES) / JOURNAL_ALIGN_BYTES * JOURNAL_ALIGN_BYTES;
	j->tail = atomic_load_explicit(&j->file->tail, memory_order_acquire);
	if (memcmp(j->file->magic, magic, sizeof(magic)) || j->file->bytes != j->bytes ||
	    j->tail % JOURNAL_ALIGN_BYTES || j->tail > INT64_MAX)
		begin(j);
	j->tail = atomic_load_explicit(&j->file->tail, memory_order_acquire);
	scan(j);
	*out = j;
	return 0;
}

static struct str take(const char **p, size_t n)
{
	struct str s = { *p, n };

	*p += n;
	return s;
}

bool journal_next(const struct journal *j, uint64_t *cursor, struct spool_row *row, bool *done)
{
	uint64_t position = *cursor > j->tail ? *cursor : j->tail;

	while (position < j->next) {
		const struct record *r = at(j, position);
		const char *text = (const char *)(r + 1);
		uint32_t state = atomic_load_explicit(&r->state, memory_order_acquire);

		*row = (struct spool_row){ .mark = position + 1 };
		position += record_bytes(j, r, position);
		*cursor = position;
		if (state == STATE_SKIP || !r->number)
			continue;
		row->number = r->number;
		row->id = take(&text, r->id_bytes);
		row->call_id = take(&text, r->call_id_bytes);
		row->url = take(&text, r->url_bytes);
		row->body = take(&text, r->body_bytes);
		row->sequence = r->sequence;
		row->final = r->final;
		row->created_ms = r->created_ms;
		*done = state == STATE_DONE;
		return true;
	}
	return false;
}

/* --- writing --- */

static bool may_go(const struct record *r, uint64_t committed)
{
	if (atomic_load_explicit(&r->state, memory_order_relaxed) != STATE_OPEN)
		return true;
	return r->ticket == IN_STORE || (r->ticket >= FIRST_TICKET && r->ticket - FIRST_TICKET < committed);
}

/* The tail is told before anything is written over what it leaves. */
static bool make_room(struct journal *j, uint64_t need, uint64_t committed)
{
	while (j->bytes - (j->next - j->tail) < need) {
		const struct record *r = at(j, j->tail);

		if (j->tail == j->next || !may_go(r, committed))
			break;
		j->tail += record_bytes(j, r, j->tail);
	}
	atomic_store_explicit(&j->file->tail, j->tail, memory_order_release);
	return j->bytes - (j->next - j->tail) >= need;
}

/* A kill in the middle leaves it without a state: nothing was written. */
static struct record *begin_record(struct journal *j)
{
	struct record *r = at(j, j->next);

	atomic_store_explicit(&r->state, STATE_NONE, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	r->at = j->next;
	return r;
}

static void end_record(struct journal *j, struct record *r, enum state state, uint64_t bytes)
{
	atomic_store_explicit(&r->state, state, memory_order_release);
	j->next += bytes;
}

static void fill(struct record *r, const struct spool_row *row)
{
	const struct str texts[] = { row->id, row->call_id, row->url, row->body };
	char *p = (char *)(r + 1);

	r->ticket = NO_TICKET;
	r->number = row->number;
	r->created_ms = row->created_ms;
	r->sequence = row->sequence;
	r->final = row->final;
	r->id_bytes = (uint16_t)row->id.n;
	r->call_id_bytes = (uint16_t)row->call_id.n;
	r->url_bytes = (uint32_t)row->url.n;
	r->body_bytes = (uint32_t)row->body.n;
	r->unused = 0;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (texts[i].n)
			memcpy(p, texts[i].p, texts[i].n);
		p += texts[i].n;
	}
	r->sum = sum_of(r);
}

int journal_put(struct journal *j, struct spool_row *row, uint64_t committed)
{
	uint64_t need = whole_bytes(row->id.n, row->call_id.n, row->url.n, row->body.n);
	uint64_t rest = to_end(j, j->next), skip = rest < need ? rest : 0;
	struct record *r;

	row->mark = 0;
	if (need > j->bytes || row->id.n > UINT16_MAX || row->call_id.n > UINT16_MAX)
		return ENOSPC;
	if (skip) {
		if (!make_room(j, skip, committed))
			return ENOSPC;
		end_record(j, begin_record(j), STATE_SKIP, skip);
	}
	if (!make_room(j, need, committed))
		return ENOSPC;
	r = begin_record(j);
	fill(r, row);
	row->mark = j->next + 1;
	end_record(j, r, STATE_OPEN, need);
	return 0;
}

static struct record *marked(const struct journal *j, uint64_t mark)
{
	return mark > j->tail && mark <= j->next ? at(j, mark - 1) : NULL;
}

void journal_ticket(struct journal *j, uint64_t mark, uint64_t ticket)
{
	struct record *r = marked(j, mark);

	if (r)
		r->ticket = ticket ? ticket + FIRST_TICKET - 1 : IN_STORE;
}

void journal_done(struct journal *j, uint64_t mark)
{
	struct record *r = marked(j, mark);

	if (r)
		atomic_store_explicit(&r->state, STATE_DONE, memory_order_release);
}

struct journal_counts journal_count(const struct journal *j)
{
	return j->counts;
}

/* --- the file --- */

/* Its blocks are taken now: a full disk later would end the process where it writes to the map. */
static int map_file(struct journal *j, const char *path, size_t bytes)
{
	struct stat st;
	int err;

	j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (j->fd < 0)
		return errno;
	if (flock(j->fd, LOCK_EX | LOCK_NB))
		return errno;
	if (fstat(j->fd, &st))
		return errno;
	if (!S_ISREG(st.st_mode))
		return EINVAL;
	if ((size_t)st.st_size != bytes && ftruncate(j->fd, (off_t)bytes))
		return errno;
	err = posix_fallocate(j->fd, 0, (off_t)bytes);
	if (err)
		return err;
	j->map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, j->fd, 0);
	if (j->map == MAP_FAILED) {
		j->map = NULL;
		return errno;
	}
	j->map_bytes = bytes;
	return 0;
}

static void unmap(struct journal *j)
{
	if (j->map)
		munmap(j->map, j->map_bytes);
	if (j->fd >= 0)
		close(j->fd);
}

int journal_open(struct journal **out, const char *path, size_t bytes, char why[160])
{
	struct journal file = { .fd = -1 };
	int err = map_file(&file, path, bytes);

	if (!err)
		err = journal_over(out, file.map, bytes);
	/* All of it was read. It stays in the page cache; that much memory is ours only once events have been there. */
	if (!err)
		madvise(file.map, bytes, MADV_DONTNEED);
	if (err) {
		snprintf(why, 160, "%s: %s", err == EAGAIN ? "another process has it" : strerror(err), path);
		unmap(&file);
		return err;
	}
	(*out)->map = file.map;
	(*out)->map_bytes = file.map_bytes;
	(*out)->fd = file.fd;
	return 0;
}

void journal_free(struct journal **jp)
{
	struct journal *j = *jp;

	if (!j)
		return;
	*jp = NULL;
	unmap(j);
	free(j);
}
