/* key_detect: hears the keys that a party sends as tones in its audio.
 *
 * For parties that know no telephone-event, and only while somebody waits for their keys (45 us a second).
 * Thread: the owner's; making one allocates, running one does not. Source: ITU-T Q.24. */
#ifndef KEY_DETECT_H
#define KEY_DETECT_H

#include <stddef.h>
#include <stdint.h>

struct key_detector;

/* rate_hz: 8000 or 16000. 0 or ENOMEM. */
int key_detector_new(struct key_detector **out, uint32_t rate_hz);
void key_detector_free(struct key_detector **d);
/* At most 20 ms. Returns how many keys began, and which. */
size_t key_detector_run(struct key_detector *d, const int16_t *in, size_t count, char keys[8]);

#endif
