/*
 * file_owner - see file_owner.h
 */
#include "file_owner.h"

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "xalloc.h"

enum { ENTRY_SIZE = 64 * 1024 }; /* a group with more members than fit is taken for unknown */

static void find_user(struct file_owner *owner, char *entry)
{
    struct passwd user, *found = NULL;

    if (owner->known || getpwnam_r(owner->name, &user, entry, ENTRY_SIZE, &found) != 0 || !found)
        return;
    owner->id = user.pw_uid;
    owner->known = true;
}

static void find_group(struct file_owner *group, char *entry)
{
    struct group row, *found = NULL;

    if (group->known || getgrnam_r(group->name, &row, entry, ENTRY_SIZE, &found) != 0 || !found)
        return;
    group->id = row.gr_gid;
    group->known = true;
}

void file_owner_find(struct destination *destination)
{
    char *entry;

    if (!destination->owner.name && !destination->group.name)
        return;
    entry = xmalloc(ENTRY_SIZE);
    if (destination->owner.name)
        find_user(&destination->owner, entry);
    if (destination->group.name)
        find_group(&destination->group, entry);
    free(entry);
}

int file_owner_known(const struct destination *destination, struct fault *fault)
{
    if (destination->owner.name && !destination->owner.known)
        return fault_set(fault, FAULT_CONFIG, "owner: there is no user '%s' on this host",
                         destination->owner.name);
    if (destination->group.name && !destination->group.known)
        return fault_set(fault, FAULT_CONFIG, "group: there is no group '%s' on this host",
                         destination->group.name);
    return 0;
}

/* Whether this process has CAP_CHOWN, as root has. */
static bool may_give_away(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

    return syscall(SYS_capget, &header, sets) == 0 && (sets[0].effective & (1U << CAP_CHOWN)) != 0;
}

static bool is_own_group(gid_t group)
{
    gid_t own[1024];
    int count = getgroups((int)(sizeof own / sizeof *own), own);

    for (int i = 0; i < count; i++)
        if (own[i] == group)
            return true;
    return group == getegid();
}

int file_owner_check(const struct destination *destination, struct fault *fault)
{
    const struct file_owner *owner = &destination->owner, *group = &destination->group;

    if (file_owner_known(destination, fault) < 0)
        return -1;
    if (may_give_away())
        return 0;
    if (owner->name && owner->id != geteuid())
        return fault_set(fault, FAULT_CONFIG,
                         "owner: only root, or a process with CAP_CHOWN, may give files to '%s'",
                         owner->name);
    if (group->name && !is_own_group(group->id))
        return fault_set(
            fault, FAULT_CONFIG,
            "group: files may be given to '%s' only by root, by a process with CAP_CHOWN and by its "
            "members",
            group->name);
    return 0;
}
