/*
 * transfer_run - see transfer.h and transfer_parts.h
 */
#include "transfer_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "clock.h"
#include "text.h"

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = arg;
    const struct transfer_peer *peer = transfer->peer;
    const char *network = guard_refuses(&peer->guard, &address->addr);

    (void)purpose;
    if (!transfer->may_open)
        return CURL_SOCKET_BAD;
    if (network) {
        transfer->refused = network;
        return CURL_SOCKET_BAD; /* libcurl goes on to the name's next address */
    }
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
        transfer->shortage = errno;
    if (fd < 0)
        return CURL_SOCKET_BAD;
    transfer->opened = true;
    transfer->fd = fd;
    if (peer->opened)
        peer->opened(peer->arg, fd);
    return fd;
}

static int on_close_socket(void *arg, curl_socket_t fd)
{
    struct transfer *transfer = arg;

    if (transfer->fd == fd)
        transfer->fd = -1;
    return close(fd);
}

int transfer_init(struct transfer *transfer, const struct transfer_peer *peer, const char *protocols)
{
    CURLcode failed = CURLE_OK;
    CURL *easy = curl_easy_init();

    *transfer = (struct transfer){.easy = easy, .peer = peer, .fd = -1};
    if (!easy)
        return -1;
    failed |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    failed |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    failed |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* else the end waits for a hung look-up */
    failed |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, protocols);
    failed |= curl_easy_setopt(easy, CURLOPT_PROXY, "");
    failed |= curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    failed |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    failed |= curl_easy_setopt(easy, CURLOPT_MAXCONNECTS, 1L);
    failed |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    failed |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
    failed |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    failed |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, transfer);
    if (failed == CURLE_OK)
        return 0;
    transfer_release(transfer);
    return -1;
}

void transfer_release(struct transfer *transfer)
{
    if (transfer->easy)
        curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
}

CURLcode transfer_run(struct transfer *transfer, int64_t deadline_ms)
{
    int64_t left_ms = deadline_ms - clock_mono_ms();

    transfer->opened = false;
    transfer->shortage = 0;
    transfer->refused = NULL;
    transfer->error[0] = '\0';
    if (left_ms <= 0)
        return CURLE_OPERATION_TIMEDOUT;
    /* An answer that does not come is waited for as long, also where libcurl says goodbye. */
    if (curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, (long)left_ms) != CURLE_OK ||
        curl_easy_setopt(transfer->easy, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)(left_ms / 1000 + 1)) !=
            CURLE_OK)
        return CURLE_FAILED_INIT;
    return curl_easy_perform(transfer->easy);
}

static const struct {
    CURLcode code;
    enum transfer_result result;
} results[] = {
    {CURLE_OPERATION_TIMEDOUT, TRANSFER_TIMEOUT},
    {CURLE_COULDNT_RESOLVE_HOST, TRANSFER_CONNECT},
    {CURLE_COULDNT_CONNECT, TRANSFER_CONNECT},
    {CURLE_SSL_CONNECT_ERROR, TRANSFER_TLS},
    {CURLE_PEER_FAILED_VERIFICATION, TRANSFER_TLS},
    {CURLE_SSL_CERTPROBLEM, TRANSFER_TLS},
    {CURLE_SSL_CIPHER, TRANSFER_TLS},
    {CURLE_SSL_CACERT_BADFILE, TRANSFER_TLS},
    {CURLE_SSL_ISSUER_ERROR, TRANSFER_TLS},
    {CURLE_SSL_INVALIDCERTSTATUS, TRANSFER_TLS},
    {CURLE_SSL_ENGINE_INITFAILED, TRANSFER_TLS},
    {CURLE_USE_SSL_FAILED, TRANSFER_TLS},
    {CURLE_LOGIN_DENIED, TRANSFER_LOGIN},
};

static enum transfer_result result_of(const struct transfer *transfer, CURLcode code)
{
    if (code == CURLE_COULDNT_CONNECT && !transfer->may_open)
        return TRANSFER_BROKEN;
    if (code == CURLE_COULDNT_CONNECT && transfer->shortage && !transfer->opened)
        return TRANSFER_SHORTAGE;
    if (code == CURLE_COULDNT_CONNECT && transfer->refused && !transfer->opened)
        return TRANSFER_REFUSED_ADDRESS;
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        if (results[i].code == code)
            return results[i].result;
    return TRANSFER_BROKEN;
}

enum transfer_result transfer_judge(const struct transfer *transfer, CURLcode code,
                                    char text[TRANSFER_TEXT_SIZE])
{
    enum transfer_result result = result_of(transfer, code);

    if (result == TRANSFER_REFUSED_ADDRESS)
        snprintf(text, TRANSFER_TEXT_SIZE, "the address is refused: %s", transfer->refused);
    else if (result == TRANSFER_SHORTAGE)
        snprintf(text, TRANSFER_TEXT_SIZE, "socket: %s", strerror(transfer->shortage));
    else if (code == CURLE_COULDNT_CONNECT && !transfer->may_open)
        text_copy(text, TRANSFER_TEXT_SIZE, "the server has closed the connection");
    else
        text_copy(text, TRANSFER_TEXT_SIZE, transfer->error[0] ? transfer->error : curl_easy_strerror(code));
    text_printable(text);
    return result;
}
