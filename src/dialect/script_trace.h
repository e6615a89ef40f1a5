/* script_trace: what a running document tells of its steps (call/step.h): arguments as the step got them, variables that it
 * set, how long it waited, and documents that were fetched. Values are cut, secrets left out.
 *
 * A script that loops tells its first steps only, until it waits again; one that steps and waits for hours is told at a
 * bounded rate. Nothing is written, and no memory taken, while nobody wants to know. Thread: signal. */
#ifndef SCRIPT_TRACE_H
#define SCRIPT_TRACE_H

#include "base/str.h"

struct doc;
struct fetch_result;
struct script;
struct script_trace;
struct swml_step;

/* A step begins. What is left of the one before is told. */
void script_trace_step(struct script *s, const struct swml_step *st);
/* Its arguments with references replaced. A step that acts on the call is told now, before what it does. */
void script_trace_args(struct script *s, const struct swml_step *st, const struct doc *args);
/* A variable was set; value NULL = unset. For struct vars_source, arg is the script. */
void script_trace_variable(void *arg, struct str name, const struct doc *value);
/* The step is over, or begins to wait, or has a warning. */
void script_trace_flush(struct script *s);
/* What it waited for has come. */
void script_trace_waited(struct script *s);
/* Nothing runs any more. */
void script_trace_end(struct script *s);
/* started_us: when the document was asked for. */
void script_trace_document(struct script *s, const struct fetch_result *r, uint64_t started_us);
void script_trace_free(struct script_trace **t);

#endif
