/*
 * Serves as early as a process can: early_bird PORT COUNT
 *
 * Listens at once after exec, asks itself one request per connection from a child, answers it, and ends after COUNT of
 * them, so that its whole life lasts a few milliseconds. Every response has two bytes of body.
 */
#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, count;
	char data[512];

	if (argc != 3)
		errx(1, "usage: early_bird PORT COUNT");
	address.sin_port = htons(atoi(argv[1]));
	count = atoi(argv[2]);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 16))
		err(1, "listen");
	for (int number = 0; number < count; number++) {
		pid_t child = fork();
		int sock;

		if (child == 0) {
			sock = socket(AF_INET, SOCK_STREAM, 0);
			if (connect(sock, (struct sockaddr *)&address, sizeof(address)))
				err(1, "connect");
			dprintf(sock, "GET /%d HTTP/1.1\r\nHost: early\r\n\r\n", number);
			while (read(sock, data, sizeof(data)) > 0)
				;
			_exit(0);
		}
		sock = accept(listener, NULL, NULL);
		if (read(sock, data, sizeof(data)) <= 0 || write(sock, answer, strlen(answer)) < 0)
			err(1, "exchange");
		close(sock);
		waitpid(child, NULL, 0);
	}
	return 0;
}
