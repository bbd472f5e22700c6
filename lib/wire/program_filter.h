/*
 * program_filter - what the worker of programs may ask of the kernel, by seccomp(2)
 *
 * Memory, time, and the descriptors that it has: nothing else. A call that is not in the list fails with
 * EPERM: files cannot be asked for, not even whether they are there, nothing is connected to, no process is
 * started, signalled or looked into; were libjq to be broken out of, that is where it ends.
 */
#ifndef DIST_PROGRAM_FILTER_H
#define DIST_PROGRAM_FILTER_H

/* From now on, for this process and for good. -1 with errno where the kernel has no filters. */
int program_filter(void);

#endif
