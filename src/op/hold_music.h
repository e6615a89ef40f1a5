/* hold_music: while one of two joined parties holds the call, the other hears music.
 *
 * The rule: a hold is answered here and not passed on, so the other party is told nothing and the music is ours. It is
 * heard by whoever listens while its peer does not (sendonly, inactive, 0.0.0.0), and gives way to the peer when that is
 * audible (media/fill.h): a switchboard that says sendonly may send music of its own. Both on hold hear nothing. Each hold
 * begins the list anew. Thread: signal. Source: RFC 3264 §8.4. */
#ifndef HOLD_MUSIC_H
#define HOLD_MUSIC_H

struct call;
struct hold_music;
struct sounds;

/* For two calls that are joined. Parties that hold already count. What is played is calls_hold_music() of the moment.
 * *out stays NULL without memory. */
void hold_music_start(struct hold_music **out, struct call *a, struct call *b, struct sounds *s);
/* Before one of them is joined with somebody else, and in the end; a call may have gone. *h may be NULL. */
void hold_music_stop(struct hold_music **h);

#endif
