/*
 * file_owner - users and groups that forms name: who is to own what is written
 *
 * A name is looked up when the configuration is read, because the system's look-up may ask a server and
 * blocks; so a user that is added later is known after the next SIGHUP.
 */
#ifndef DIST_FILE_OWNER_H
#define DIST_FILE_OWNER_H

#include "destination.h"
#include "fault.h"

/* What is not there stays unknown. */
void file_owner_find(struct destination *destination);

/* CONFIG where a name is unknown on this host. */
int file_owner_known(const struct destination *destination, struct fault *fault);
/* The same, and where this process may not give files away to them: that is for root, or with CAP_CHOWN; a
 * group of its own may have them from anybody. */
int file_owner_check(const struct destination *destination, struct fault *fault);

#endif
