/*
 * rng - ids, tokens, jitter and hash seeds draw from here.
 * Hard rule: bytes that are not random are never handed out; the process ends instead.
 */
#include "rng.h"

#include <errno.h>
#include <sys/random.h>
#include <unistd.h>

enum { EXIT_SYSTEM = 71 };

void rng_bytes(void *out, size_t size)
{
    static const char line[] = "getrandom: the kernel has no random bytes\n";
    char *at = out;

    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            if (write(STDERR_FILENO, line, sizeof(line) - 1) < 0)
                _exit(EXIT_SYSTEM);
            _exit(EXIT_SYSTEM);
        }
        at += got;
        size -= (size_t)got;
    }
}

double rng_unit(void)
{
    uint64_t bits;

    rng_bytes(&bits, sizeof(bits));
    return (double)(bits >> 11) * 0x1.0p-53;
}
