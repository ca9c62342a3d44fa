/* Writes and reads small messages over TLS in one process, without sockets: what a call costs is then what its probes
 * cost. Prints nanoseconds per write and read together, or with "ex" of the extended functions.
 *
 * usage: pairs KEY CERTIFICATE COUNT [ex] */
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static SSL *end(SSL_CTX *context, BIO *bio)
{
    SSL *ssl = SSL_new(context);

    SSL_set_bio(ssl, bio, bio);
    return ssl;
}

static void once(SSL *from, SSL *to, int is_ex)
{
    char message[64] = "0123456789abcdef", got[64];
    size_t count = 0;
    int length = 16;

    if (is_ex) {
        if (SSL_write_ex(from, message, length, &count) != 1 || count != (size_t)length)
            abort();
        if (SSL_read_ex(to, got, sizeof(got), &count) != 1 || count != (size_t)length)
            abort();
    } else if (SSL_write(from, message, length) != length || SSL_read(to, got, sizeof(got)) != length) {
        abort();
    }
}

int main(int argc, char **argv)
{
    SSL_CTX *server_context = SSL_CTX_new(TLS_server_method()), *client_context = SSL_CTX_new(TLS_client_method());
    int is_ex = argc > 4 && !strcmp(argv[4], "ex"), one = 0, other = 0, count = atoi(argv[3]);
    struct timespec begin, end_time;
    BIO *client_bio, *server_bio;
    SSL *client, *server;

    if (SSL_CTX_use_PrivateKey_file(server_context, argv[1], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_certificate_file(server_context, argv[2], SSL_FILETYPE_PEM) != 1)
        return 1;
    BIO_new_bio_pair(&client_bio, 1 << 16, &server_bio, 1 << 16);
    client = end(client_context, client_bio);
    server = end(server_context, server_bio);
    SSL_set_connect_state(client);
    SSL_set_accept_state(server);
    while (one != 1 || other != 1) {
        one = SSL_do_handshake(client);
        other = SSL_do_handshake(server);
    }
    for (int i = 0; i < 1000; i++)
        once(client, server, is_ex);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int i = 0; i < count; i++)
        once(client, server, is_ex);
    clock_gettime(CLOCK_MONOTONIC, &end_time);
    printf("%ld\n", ((end_time.tv_sec - begin.tv_sec) * 1000000000L + end_time.tv_nsec - begin.tv_nsec) / count);
    return 0;
}
