/*
 * A pool of processes, each good for one request: pool PORT COUNT CHILDREN
 *
 * COUNT children in all, at most CHILDREN at a time; each accepts one connection, answers one request with two bytes and
 * ends, and the next one is forked, as a server with a limit of requests per child does.
 */
#include <arpa/inet.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void serve(int listener)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
	int sock = accept(listener, NULL, NULL);
	char data[512];

	if (sock < 0 || read(sock, data, sizeof(data)) <= 0 || write(sock, answer, strlen(answer)) < 0)
		_exit(1);
	_exit(0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, count, children, running = 0, failed = 0, status;

	if (argc != 4)
		errx(1, "usage: pool PORT COUNT CHILDREN");
	address.sin_port = htons(atoi(argv[1]));
	count = atoi(argv[2]);
	children = atoi(argv[3]);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 128))
		err(1, "listen");
	while (count > 0 || running > 0) {
		if (count > 0 && running < children) {
			pid_t child = fork();

			if (child < 0)
				err(1, "fork");
			if (child == 0)
				serve(listener);
			count--;
			running++;
			continue;
		}
		if (wait(&status) > 0) {
			running--;
			failed += status != 0;
		}
	}
	return failed != 0;
}
