/* modules: finds the files that a server may load beside itself; today the one of G.729. Thread: main, before others. */
#ifndef MODULES_H
#define MODULES_H

/* From the folder of the program (as it was built) or from lib/crosspoint beside its bin (as it was installed). What is
 * missing is noted in the log. */
void modules_load(void);

#endif
