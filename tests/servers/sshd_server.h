/*
 * sshd_server - an sshd of the test's own, with keys of its own, on a free port of 127.0.0.1
 *
 * It lets the user of the test in by the key `me` in its folder. What does not work here ends the process.
 */
#ifndef DIST_TEST_SSHD_SERVER_H
#define DIST_TEST_SSHD_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

struct sshd_server {
    char folder[200];
    char fingerprint[100]; /* of the key that it shows to us: "SHA256:..." */
    char user[100];
    char *key; /* the private key that it lets in */
    int port;
    pid_t pid;
};

bool sshd_server_is_installed(void);
/* `subsystem`: the command that is run for sftp. */
void sshd_server_start(struct sshd_server *server, const char *subsystem);
void sshd_server_stop(struct sshd_server *server); /* with what it runs; the folder goes too */

#endif
