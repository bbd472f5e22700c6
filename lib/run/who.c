/*
 * who - see who.h
 */
#include "who.h"

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "text.h"

void who_find(char *who, size_t size)
{
    struct passwd entry, *found = NULL;
    char memory[4096], host[65] = "";

    if (gethostname(host, sizeof host - 1) < 0 || !*host)
        text_copy(host, sizeof host, "localhost");
    if (getpwuid_r(getuid(), &entry, memory, sizeof memory, &found) == 0 && found && *found->pw_name)
        snprintf(who, size, "%.80s@%s", found->pw_name, host);
    else
        snprintf(who, size, "%ld@%s", (long)getuid(), host);
    text_printable(who);
}
