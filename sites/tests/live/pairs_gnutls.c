/* GnuTLS on both ends of a socket pair, one thread each, without certificates: prints how many bytes were sent in all. */
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const size_t sizes[] = {1, 100, 16384, 16385, 300000};
static char buffer[300000];

static void check(long result)
{
    if (result < 0) {
        fprintf(stderr, "%s\n", gnutls_strerror(result));
        abort();
    }
}

static void send_all(gnutls_session_t session, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t count = gnutls_record_send(session, buffer + sent, size - sent);

        if (count == GNUTLS_E_AGAIN || count == GNUTLS_E_INTERRUPTED)
            continue;
        check(count);
        sent += count;
    }
}

static void receive_all(gnutls_session_t session, size_t size)
{
    char got[10000];

    for (size_t received = 0; received < size;) {
        size_t wanted = size - received < sizeof(got) ? size - received : sizeof(got);
        ssize_t count = gnutls_record_recv(session, got, wanted);

        if (count == GNUTLS_E_AGAIN || count == GNUTLS_E_INTERRUPTED)
            continue;
        check(count);
        received += count;
    }
}

static gnutls_session_t begin(int socket, unsigned flags)
{
    gnutls_session_t session;

    check(gnutls_init(&session, flags));
    check(gnutls_priority_set_direct(session, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ANON-ECDH", NULL));
    if (flags & GNUTLS_SERVER) {
        gnutls_anon_server_credentials_t credentials;

        check(gnutls_anon_allocate_server_credentials(&credentials));
        check(gnutls_credentials_set(session, GNUTLS_CRD_ANON, credentials));
    } else {
        gnutls_anon_client_credentials_t credentials;

        check(gnutls_anon_allocate_client_credentials(&credentials));
        check(gnutls_credentials_set(session, GNUTLS_CRD_ANON, credentials));
    }
    gnutls_transport_set_int(session, socket);
    check(gnutls_handshake(session));
    return session;
}

static void *serve(void *socket)
{
    gnutls_session_t session = begin(*(int *)socket, GNUTLS_SERVER);

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        receive_all(session, sizes[i]);
        send_all(session, sizes[i]);
    }
    gnutls_deinit(session);
    return NULL;
}

int main(void)
{
    size_t total = 0;
    pthread_t thread;
    int sockets[2];
    gnutls_session_t session;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
        return 1;
    pthread_create(&thread, NULL, serve, &sockets[0]);
    session = begin(sockets[1], GNUTLS_CLIENT);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        send_all(session, sizes[i]);
        receive_all(session, sizes[i]);
        total += 2 * sizes[i];
    }
    pthread_join(thread, NULL);
    gnutls_deinit(session);
    printf("%zu\n", total);
    return 0;
}
