/*
 * faulty_sftp - a server of SFTP, version 3, on standard input and output, that fails as it is told
 *
 * It is what an sshd runs for the subsystem; its files lie below a folder. FOLDER/plan has a line for each
 * kind of request that fails: "open 14" (a status, at every one), "rename exit" (it does it and ends before
 * it answers), "write hang" (it never answers). FOLDER/log gets a line for each request: "rename /a /b".
 */
#ifndef DIST_TEST_FAULTY_SFTP_H
#define DIST_TEST_FAULTY_SFTP_H

int faulty_sftp_serve(const char *folder);

#endif
