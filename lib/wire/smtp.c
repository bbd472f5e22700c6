/*
 * smtp - see smtp.h
 *
 * libcurl says that it failed, and with which code, but not at which command; so the commands are watched as
 * they go out, and the answers as they come. The one hard rule: a code counts for the command that was sent
 * last, and the answer to our goodbye for nothing.
 */
#include "smtp.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "buf.h"
#include "text.h"
#include "transfer_parts.h"
#include "xalloc.h"

enum {
    REPLY_MAX = 4096, /* bytes of one answer that are kept */
    COMMAND_MAX = 320,
    LOGIN_MAX = 8192, /* bytes of a login that are known again */
    LOGIN_LEAST = 4,  /* a shorter word of it is in every text */
};

struct smtp {
    struct transfer transfer;
    struct transfer_peer peer;
    bool logs_in; /* it has been told how */
    struct curl_slist *connect_to;
    char command[COMMAND_MAX]; /* the last one, without its line end; "" before there was one */
    enum smtp_stage stage;
    bool starttls; /* was sent */
    bool logged_in;
    bool goodbye;
    bool foreign; /* what came is no answer of a mail server */
    int code;     /* of the answer to it; 0: none yet */
    struct buf reply;
    struct buf login; /* what was sent as one */
    const struct smtp_mail *mail;
    size_t given; /* of its data */
};

/* What goes out and comes in */

static const struct {
    const char *command;
    enum smtp_stage stage;
} commands[] = {
    {"QUIT", SMTP_STAGE_SESSION}, {"EHLO", SMTP_STAGE_SESSION}, {"HELO", SMTP_STAGE_SESSION},
    {"NOOP", SMTP_STAGE_SESSION}, {"AUTH", SMTP_STAGE_LOGIN},   {"MAIL", SMTP_STAGE_MAIL},
    {"RCPT", SMTP_STAGE_MAIL},    {"DATA", SMTP_STAGE_MAIL},    {"STARTTLS", SMTP_STAGE_SESSION},
};
enum { COMMAND_LOGIN = -1, COMMAND_QUIT };

/* Its row, or COMMAND_LOGIN: a line of a login. */
static int find_command(const struct smtp *smtp, const char *line)
{
    size_t size = strcspn(line, " ");

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (smtp->code != 334 && strlen(commands[i].command) == size &&
            strncmp(commands[i].command, line, size) == 0)
            return (int)i;
    return COMMAND_LOGIN;
}

/* Without the parameters of MAIL and without what a login gives away. */
static void note_command(struct smtp *smtp, const char *data, size_t size)
{
    char line[COMMAND_MAX];

    snprintf(line, sizeof line, "%.*s", (int)(size < sizeof line ? size : sizeof line - 1), data);
    text_trim(line);
    int row = find_command(smtp, line);
    if (row == COMMAND_QUIT) {
        smtp->goodbye = true;
        if (smtp->transfer.fd >= 0)
            shutdown(smtp->transfer.fd, SHUT_RD); /* nobody waits for the answer */
        return;
    }
    if (row < 0 || commands[row].stage == SMTP_STAGE_LOGIN) {
        buf_add(&smtp->login, data, size);
        buf_addc(&smtp->login, ' ');
    }
    if (row >= 0) {
        smtp->stage = commands[row].stage;
        smtp->starttls |= strcmp(commands[row].command, "STARTTLS") == 0;
        smtp->logged_in |= smtp->stage == SMTP_STAGE_LOGIN;
        char *end = strchr(line, '>');
        if (end)
            end[1] = '\0';
        text_copy(smtp->command, sizeof smtp->command,
                  smtp->stage == SMTP_STAGE_LOGIN ? commands[row].command : line);
    }
    smtp->code = 0;
    buf_clear(&smtp->reply);
}

static int on_trace(CURL *easy, curl_infotype type, char *data, size_t size, void *arg)
{
    (void)easy;
    if (type == CURLINFO_HEADER_OUT)
        note_command(arg, data, size);
    return 0;
}

/* "250-SIZE 1000", "250 HELP": one line of an answer. */
/* NOLINTNEXTLINE(readability-non-const-parameter): as libcurl has it */
static size_t on_reply(char *data, size_t size, size_t count, void *arg)
{
    struct smtp *smtp = arg;
    size_t bytes = size * count;

    if (smtp->goodbye)
        return bytes;
    smtp->foreign = bytes < 3 || !isdigit((unsigned char)data[0]) || !isdigit((unsigned char)data[1]) ||
                    !isdigit((unsigned char)data[2]);
    if (smtp->foreign)
        return 0;
    smtp->code = (data[0] - '0') * 100 + (data[1] - '0') * 10 + data[2] - '0';
    const char *from = data + (smtp->reply.len && bytes > 4 ? 4 : 0); /* the code once */
    size_t room = smtp->reply.max - smtp->reply.len, rest = bytes - (size_t)(from - data);
    buf_add(&smtp->reply, from, rest < room ? rest : room);
    return bytes;
}

/* The answer to a NOOP, which was seen as an answer before. */
/* NOLINTNEXTLINE(readability-non-const-parameter): as libcurl has it */
static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    (void)arg;
    return size * count;
}

static size_t on_read(char *out, size_t size, size_t count, void *arg)
{
    struct smtp *smtp = arg;
    const struct smtp_mail *mail = smtp->mail;
    size_t room = size * count, left = mail ? mail->size - smtp->given : 0;

    if (room > left)
        room = left;
    if (room == 0)
        return 0;
    memcpy(out, mail->data + smtp->given, room);
    smtp->given += room;
    if (smtp->given == mail->size && mail->sent)
        mail->sent(mail->arg);
    return room;
}

/* The answer */

/* A server that repeats what it was sent as a login is not quoted. */
static bool repeats_login(const struct smtp *smtp, const char *said)
{
    char word[200];
    const char *at = said;

    while (*at) {
        size_t size = strcspn(at, " \t\r\n<>()[]\"'");
        snprintf(word, sizeof word, "%.*s", (int)(size < sizeof word ? size : sizeof word - 1), at);
        if (size >= LOGIN_LEAST && strcmp(word, "PLAIN") != 0 && strcmp(word, "LOGIN") != 0 &&
            strstr(smtp->login.data, word))
            return true;
        at += size + (at[size] != '\0');
    }
    return false;
}

/* One line of the answer's lines. */
static void set_text(const struct smtp *smtp, struct smtp_answer *answer)
{
    char said[TRANSFER_TEXT_SIZE], line[COMMAND_MAX + TRANSFER_TEXT_SIZE + 2];

    text_copy(said, sizeof said, smtp->reply.data);
    for (char *c = said; *c; c++)
        if (*c == '\r' || *c == '\n')
            *c = ' ';
    text_trim(said);
    if (repeats_login(smtp, said))
        snprintf(said, sizeof said, "%d (withheld: it repeats the login)", smtp->code);
    snprintf(line, sizeof line, "%s%s%s", smtp->command, smtp->command[0] ? ": " : "", said);
    text_copy(answer->text, sizeof answer->text, line);
    text_printable(answer->text);
}

static void judge(const struct smtp *smtp, CURLcode code, struct smtp_answer *answer)
{
    *answer = (struct smtp_answer){.stage = smtp->stage};
    if (code == CURLE_OK)
        return;
    answer->result = transfer_judge(&smtp->transfer, code, answer->text);
    if (smtp->foreign) {
        answer->result = TRANSFER_BROKEN;
        text_copy(answer->text, sizeof answer->text, "what came is not SMTP");
    } else if (answer->result == TRANSFER_TLS && code == CURLE_USE_SSL_FAILED && !smtp->starttls) {
        text_copy(answer->text, sizeof answer->text, "the server offers no STARTTLS");
    } else if (smtp->code >= 400 && smtp->code <= 599 && answer->result != TRANSFER_TIMEOUT) {
        if (answer->result != TRANSFER_TLS) {
            answer->result = TRANSFER_ANSWERED;
            answer->code = smtp->code;
        }
        set_text(smtp, answer);
    }
}

static void run(struct smtp *smtp, int64_t deadline_ms, struct smtp_answer *answer)
{
    smtp->command[0] = '\0';
    smtp->stage = SMTP_STAGE_SESSION;
    smtp->code = 0;
    buf_clear(&smtp->reply);
    judge(smtp, transfer_run(&smtp->transfer, deadline_ms), answer);
}

/* The connection */

static bool set_security(CURL *easy, const struct smtp_peer *peer)
{
    CURLcode failed = CURLE_OK;

    failed |= curl_easy_setopt(easy, CURLOPT_USE_SSL,
                               (long)(peer->security == SMTP_STARTTLS ? CURLUSESSL_ALL : CURLUSESSL_NONE));
    failed |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    failed |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    failed |= curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (peer->ca_file) {
        failed |= curl_easy_setopt(easy, CURLOPT_CAINFO, peer->ca_file);
        failed |= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* these and no others */
    }
    if (peer->cert_file) {
        const char *key_file = peer->key_file ? peer->key_file : peer->cert_file;
        failed |= curl_easy_setopt(easy, CURLOPT_SSLCERT, peer->cert_file);
        failed |= curl_easy_setopt(easy, CURLOPT_SSLKEY, key_file);
        failed |= curl_easy_setopt(easy, CURLOPT_KEYPASSWD, ""); /* else OpenSSL asks the terminal */
    }
    return failed == CURLE_OK;
}

static bool set_login(struct smtp *smtp, const struct smtp_peer *peer)
{
    CURL *easy = smtp->transfer.easy;
    CURLcode failed = CURLE_OK;

    smtp->logs_in = peer->username && (peer->password || peer->token);
    if (!smtp->logs_in)
        return true;
    if (!buf_room(&smtp->login, LOGIN_MAX)) /* in one piece, so that no copy of it stays behind */
        return false;
    failed |= curl_easy_setopt(easy, CURLOPT_USERNAME, peer->username);
    if (peer->token)
        failed |= curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, peer->token);
    else
        failed |= curl_easy_setopt(easy, CURLOPT_PASSWORD, peer->password);
    failed |= curl_easy_setopt(easy, CURLOPT_LOGIN_OPTIONS,
                               peer->token ? "AUTH=OAUTHBEARER;AUTH=XOAUTH2" : "AUTH=PLAIN;AUTH=LOGIN");
    return failed == CURLE_OK;
}

/* The name of the certificate stands in the URL, and libcurl is told where that is. */
static bool set_address(struct smtp *smtp, const struct smtp_peer *peer)
{
    char *url = xasprintf("%s://%s:%d/%s", peer->security == SMTP_TLS ? "smtps" : "smtp",
                          peer->tls_name ? peer->tls_name : peer->peer.host, peer->peer.port,
                          peer->ehlo ? peer->ehlo : "");
    CURLcode failed = curl_easy_setopt(smtp->transfer.easy, CURLOPT_URL, url);

    free(url);
    if (peer->tls_name) {
        char *place = xasprintf("::%s:%d", peer->peer.host, peer->peer.port);
        smtp->connect_to = curl_slist_append(NULL, place);
        free(place);
        failed |= smtp->connect_to ? CURLE_OK : CURLE_OUT_OF_MEMORY;
        failed |= curl_easy_setopt(smtp->transfer.easy, CURLOPT_CONNECT_TO, smtp->connect_to);
    }
    return failed == CURLE_OK;
}

static bool set_watch(struct smtp *smtp)
{
    CURL *easy = smtp->transfer.easy;
    CURLcode failed = CURLE_OK;

    failed |= curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L); /* else on_trace() is not called */
    failed |= curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_trace);
    failed |= curl_easy_setopt(easy, CURLOPT_DEBUGDATA, smtp);
    failed |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_reply);
    failed |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, smtp);
    failed |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    failed |= curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    failed |= curl_easy_setopt(easy, CURLOPT_READDATA, smtp);
    return failed == CURLE_OK;
}

struct smtp *smtp_new(const struct smtp_peer *peer, struct fault *fault)
{
    struct smtp *smtp = xcalloc(1, sizeof *smtp);

    smtp->peer = peer->peer;
    buf_init(&smtp->reply, REPLY_MAX);
    buf_init(&smtp->login, LOGIN_MAX);
    if (transfer_init(&smtp->transfer, &smtp->peer, "smtp,smtps") == 0 && set_address(smtp, peer) &&
        set_watch(smtp) && set_security(smtp->transfer.easy, peer) && set_login(smtp, peer))
        return smtp;
    fault_set(fault, FAULT_CONFIG, "libcurl does not take this destination");
    smtp_free(smtp);
    return NULL;
}

void smtp_free(struct smtp *smtp)
{
    if (!smtp)
        return;
    if (smtp->transfer.fd >= 0)
        shutdown(smtp->transfer.fd, SHUT_RD); /* QUIT goes, and its answer is not waited for */
    transfer_release(&smtp->transfer);
    curl_slist_free_all(smtp->connect_to);
    buf_release(&smtp->reply);
    explicit_bzero(smtp->login.data, smtp->login.len);
    buf_release(&smtp->login);
    free(smtp);
}

void smtp_ping(struct smtp *smtp, int64_t deadline_ms, struct smtp_answer *answer)
{
    CURL *easy = smtp->transfer.easy;
    CURLcode failed = CURLE_OK;

    smtp->mail = NULL;
    failed |= curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, NULL);
    failed |= curl_easy_setopt(easy, CURLOPT_UPLOAD, 0L);
    failed |= curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    failed |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "NOOP");
    if (failed != CURLE_OK)
        judge(smtp, failed, answer);
    else
        run(smtp, deadline_ms, answer);
}

void smtp_open(struct smtp *smtp, int64_t deadline_ms, struct smtp_answer *answer)
{
    smtp->transfer.may_open = true;
    smtp_ping(smtp, deadline_ms, answer);
    smtp->transfer.may_open = false;
    if (answer->result == TRANSFER_DONE && smtp->logs_in && !smtp->logged_in) {
        answer->result = TRANSFER_LOGIN;
        text_copy(answer->text, sizeof answer->text, "the server offers no login");
    }
}

void smtp_send(struct smtp *smtp, const struct smtp_mail *mail, int64_t deadline_ms,
               struct smtp_answer *answer)
{
    CURL *easy = smtp->transfer.easy;
    struct curl_slist *to = NULL;
    CURLcode failed = CURLE_OK;

    smtp->mail = mail;
    smtp->given = 0;
    for (const char *const *recipient = mail->to; *recipient; recipient++) {
        struct curl_slist *longer = curl_slist_append(to, *recipient);
        if (!longer)
            abort(); /* out of memory, as in xalloc */
        to = longer;
    }
    failed |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, NULL);
    failed |= curl_easy_setopt(easy, CURLOPT_NOBODY, 0L);
    failed |= curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    failed |= curl_easy_setopt(easy, CURLOPT_MAIL_FROM, mail->from);
    failed |= curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, to);
    failed |= curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)mail->size);
    if (failed != CURLE_OK)
        judge(smtp, failed, answer);
    else
        run(smtp, deadline_ms, answer);
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, NULL);
    curl_slist_free_all(to);
    smtp->mail = NULL;
}
