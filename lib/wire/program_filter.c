/*
 * program_filter - a list of system calls as a program of the kernel's packet filter
 *
 *   another architecture -> killed; in the list -> allowed; else EPERM
 *
 * Numbers of system calls are the machine's: where they are not known below there is no filter, and the
 * limits of the worker stand alone.
 */
#include "program_filter.h"
#include <errno.h>
#include <stddef.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#ifdef ARCHITECTURE

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define ANSWER(action) BPF_STMT(BPF_RET | BPF_K, action)
/* The next step where it is `value`, else the one behind that. */
#define IF(value) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1)
#define ALLOW(name) IF(SYS_##name), ANSWER(SECCOMP_RET_ALLOW)
/* With that process alone as the first argument, whose lower half comes first on both machines. */
#define ALLOW_FOR(name, pid)                                                                                 \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 4), LOAD(args[0]), IF(pid),                           \
        ANSWER(SECCOMP_RET_ALLOW), ANSWER(SECCOMP_RET_ERRNO | EPERM)

int program_filter(void)
{
    struct sock_filter steps[] = {
        LOAD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
        ANSWER(SECCOMP_RET_KILL_PROCESS),
        LOAD(nr),
        /* The socket, and its own size. */
        ALLOW(read),
        ALLOW(write),
        ALLOW(writev),
        ALLOW(pread64),
        /* Memory; sysinfo is how qsort(3) learns how much there is. */
        ALLOW(brk),
        ALLOW(futex),
        ALLOW(madvise),
        ALLOW(mmap),
        ALLOW(mprotect),
        ALLOW(mremap),
        ALLOW(munmap),
        ALLOW(sysinfo),
        /* Limits and clocks. */
        ALLOW(clock_gettime),
        ALLOW(getrandom),
        ALLOW(getrusage),
        ALLOW(gettimeofday),
        ALLOW_FOR(prlimit64, 0),
        ALLOW(sched_yield),
        /* Its end, that by abort(3) too, which signals itself. */
        ALLOW(exit),
        ALLOW(exit_group),
        ALLOW(getpid),
        ALLOW(gettid),
        ALLOW(rt_sigaction),
        ALLOW(rt_sigprocmask),
        ALLOW(rt_sigreturn),
        ALLOW(sigaltstack),
        ALLOW_FOR(tgkill, (unsigned)getpid()),
        ANSWER(SECCOMP_RET_ERRNO | EPERM),
    };
    const struct sock_fprog program = {.len = sizeof steps / sizeof *steps, .filter = steps};

    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

#else

int program_filter(void)
{
    return 0;
}

#endif
