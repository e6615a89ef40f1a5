/* serve: builds the server bottom-up from its configuration, runs it, and tears it down in reverse. */
#ifndef SERVE_H
#define SERVE_H

/* config_path: of -c, NULL = look it up. Returns the exit code: 0 drained, 1 bad configuration or no listener. */
int serve_main(const char *config_path);

#endif
