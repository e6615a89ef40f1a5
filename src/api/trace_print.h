/* trace_print: the trace of a call as people and programs want to see it. Secrets are masked in all of them.
 *
 * Pure. Thread: signal, in one turn with call_trace_collect(). */
#ifndef TRACE_PRINT_H
#define TRACE_PRINT_H

#include "call/trace.h"

/* Arrows between the far ends and Crosspoint with ms since the first message, events between them. */
void trace_print_ladder(struct buf *b, const struct call_trace *t);
/* Each message whole, with a line above it that says when and which way. */
void trace_print_messages(struct buf *b, const struct call_trace *t);
void trace_print_json(struct buf *b, const struct call_trace *t);
/* A capture file: each message as one UDP datagram, whatever it came over. */
void trace_print_pcap(struct buf *b, const struct call_trace *t);

#endif
