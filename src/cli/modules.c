#include "cli/modules.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "media/coder.h"

static const char *const places[] = { "crosspoint_g729.so", "../lib/crosspoint/crosspoint_g729.so" };

void modules_load(void)
{
	char program[PATH_MAX - 64], path[PATH_MAX], why[160] = "";
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	char *slash;

	if (n <= 0)
		return;
	program[n] = 0;
	slash = strrchr(program, '/');
	if (!slash)
		return;
	slash[1] = 0;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		snprintf(path, sizeof(path), "%s%s", program, places[i]);
		if (access(path, R_OK) == 0 && !coder_load_module(path, why))
			return;
	}
	log_printf(LOG_INFO, NULL, "G729 is relayed only: its module is not there%s%s", *why ? ": " : "", why);
}
