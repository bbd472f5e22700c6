/*
 * hold_scripts - the Lua that runs in Redis for holds.c; nobody but queue_scripts.c includes this
 *
 * Each text is a whole script: it begins with nothing of the queue's. Arguments as in queue_scripts.h;
 * KEYS[1] is dist:{0}:holds, or for grant dist:{0}:rate:<destination>. They live as long as the program.
 */
#ifndef DIST_HOLD_SCRIPTS_H
#define DIST_HOLD_SCRIPTS_H

extern const char hold_script_look[], hold_script_report[], hold_script_lift[], hold_script_probe[],
    hold_script_grant[];

#endif
