/*
 * await - see await.h
 */
#include "await.h"

#include <time.h>

#include "clock.h"
#include "msg.h"
#include "tool.h"

static void sleep_ms(int64_t ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

int await_job(struct store *store, const char *distribution_id, int64_t deadline_ms, enum job_status *status,
              struct fault *fault)
{
    enum { FIRST_MS = 10, LONGEST_MS = 500 };
    int64_t pause_ms = FIRST_MS;
    bool told = false;

    *status = JOB_PENDING;
    for (;;) {
        struct fault problem = {0};
        if (store_job_status(store, distribution_id, status, &problem) == 0) {
            if (job_status_is_final(*status))
                return 0;
        } else if (problem.class != FAULT_UNAVAILABLE && problem.class != FAULT_TEMP) {
            *fault = problem;
            return -1;
        } else if (!told) {
            msg(MSG_WARNING, "%s; waiting for it", problem.text);
            told = true;
        }
        int64_t left_ms = deadline_ms ? deadline_ms - clock_mono_ms() : pause_ms;
        if (left_ms <= 0)
            return 0;
        sleep_ms(left_ms < pause_ms ? left_ms : pause_ms);
        pause_ms = pause_ms * 2 < LONGEST_MS ? pause_ms * 2 : LONGEST_MS;
    }
}

int await_exit_code(enum job_status status)
{
    if (status == JOB_COMPLETED)
        return 0;
    return job_status_is_final(status) ? EXIT_REJECTED : fault_exit_code(FAULT_TEMP);
}
