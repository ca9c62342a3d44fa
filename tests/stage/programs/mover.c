/*
 * Moves bytes through one TCP connection by the system calls it is told to use: mover listen|connect PORT RECEIVE SEND
 *
 * Says `connected` once the connection stands, then takes commands from its standard input and answers each with `ok`:
 *   receive N     take N bytes in the way RECEIVE (a name in `receivers`)
 *   send FILE     send the file's bytes in the way SEND (a name in `senders`)
 *   dup           go on with a duplicate of the socket
 *   fork          go on in a child that inherited it
 *   pass          go on in a process that got it through a UNIX socket
 *   end           send no more
 * It ends with its input. Anything unexpected ends it with status 1 and a word on stderr.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LARGEST = 32 << 20, MANY = 1000, MESSAGES = 10, PIECE = 7 };

static int sock;
static char *memory; /* LARGEST bytes, where all data lies */
static struct io_uring ring;

/* Spread n bytes at data over at most MANY iovecs of uneven sizes; returns how many. */
static int spread(struct iovec *iov, char *data, size_t n)
{
	size_t each = n / MANY + 1, done = 0;
	int count = 0;

	while (done < n && count < MANY) {
		size_t size = count % 3 == 0 ? 1 : each + 1;

		if (size > n - done)
			size = n - done;
		iov[count].iov_base = data + done;
		iov[count++].iov_len = size;
		done += size;
	}
	return count;
}

/* Ways to receive: at most n bytes into data; bytes received, as read(2) returns them. */

static ssize_t do_read(char *data, size_t n)
{
	return read(sock, data, n);
}

static ssize_t do_readv(char *data, size_t n)
{
	struct iovec iov[MANY];

	return readv(sock, iov, spread(iov, data, n));
}

static ssize_t do_recv(char *data, size_t n)
{
	return recv(sock, data, n, 0);
}

static ssize_t do_recvfrom(char *data, size_t n)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);

	return recvfrom(sock, data, n, 0, (struct sockaddr *)&from, &size);
}

static ssize_t do_recv_waitall(char *data, size_t n)
{
	return recv(sock, data, n, MSG_WAITALL);
}

static ssize_t do_recvmsg(char *data, size_t n)
{
	struct iovec iov[MANY];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = spread(iov, data, n) };

	return recvmsg(sock, &msg, 0);
}

/* Messages of a stream socket are just consecutive pieces of the stream. */
static ssize_t do_recvmmsg(char *data, size_t n)
{
	struct mmsghdr msgs[MESSAGES] = {};
	struct iovec iov[MESSAGES];
	size_t each = n / MESSAGES + 1, begin = 0, got = 0;
	int count = 0;

	for (; begin < n; begin += each, count++) {
		iov[count].iov_base = data + begin;
		iov[count].iov_len = n - begin < each ? n - begin : each;
		msgs[count].msg_hdr.msg_iov = &iov[count];
		msgs[count].msg_hdr.msg_iovlen = 1;
	}
	count = recvmmsg(sock, msgs, count, MSG_WAITFORONE, NULL);
	for (int i = 0; i < count; i++)
		got += msgs[i].msg_len;
	return count < 0 ? -1 : (ssize_t)got;
}

static ssize_t do_peek(char *data, size_t n)
{
	for (int i = 0; i < 3; i++)
		if (recv(sock, data, n, MSG_PEEK) < 0)
			return -1;
	return recv(sock, data, n, 0);
}

static ssize_t do_poll_pieces(char *data, size_t n)
{
	struct pollfd ready = { .fd = sock, .events = POLLIN };
	ssize_t got;

	while ((got = recv(sock, data, n < PIECE ? n : PIECE, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
		poll(&ready, 1, -1);
	return got;
}

static ssize_t do_splice_in(char *data, size_t n)
{
	static int pipes[2];
	ssize_t got, kept = 0;

	if (!pipes[0] && pipe(pipes))
		return -1;
	got = splice(sock, NULL, pipes[1], NULL, n < 65536 ? n : 65536, 0);
	while (kept < got)
		kept += read(pipes[0], data + kept, got - kept);
	return got;
}

/* Bytes or -1 of the one request that was prepared. */
static ssize_t ring_result(void)
{
	struct io_uring_cqe *cqe;
	ssize_t result;
	bool is_more;

	if (io_uring_submit(&ring) < 0 || io_uring_wait_cqe(&ring, &cqe))
		return -1;
	result = cqe->res;
	is_more = cqe->flags & IORING_CQE_F_MORE;
	io_uring_cqe_seen(&ring, cqe);
	if (is_more) {
		/* Zero copy: a second completion gives the memory back. */
		if (io_uring_wait_cqe(&ring, &cqe))
			return -1;
		io_uring_cqe_seen(&ring, cqe);
	}
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

static ssize_t do_uring_read(char *data, size_t n)
{
	io_uring_prep_read(io_uring_get_sqe(&ring), sock, data, n, 0);
	return ring_result();
}

static ssize_t do_uring_readv(char *data, size_t n)
{
	struct iovec iov[MANY];

	io_uring_prep_readv(io_uring_get_sqe(&ring), sock, iov, spread(iov, data, n), 0);
	return ring_result();
}

static ssize_t do_uring_recv(char *data, size_t n)
{
	io_uring_prep_recv(io_uring_get_sqe(&ring), sock, data, n, 0);
	return ring_result();
}

static ssize_t do_uring_recvmsg(char *data, size_t n)
{
	struct iovec iov[MANY];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = spread(iov, data, n) };

	io_uring_prep_recvmsg(io_uring_get_sqe(&ring), sock, &msg, 0);
	return ring_result();
}

/* IOSQE_ASYNC: a worker thread of the kernel does the work. */
static ssize_t do_uring_recv_worker(char *data, size_t n)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	io_uring_prep_recv(sqe, sock, data, n, 0);
	sqe->flags |= IOSQE_ASYNC;
	return ring_result();
}

/* Ways to send: at most n bytes from data, which lies at `offset` of `file`; bytes sent, as write(2) returns them. */

static int file;
static off_t offset;

static ssize_t do_write(char *data, size_t n)
{
	return write(sock, data, n);
}

static ssize_t do_writev(char *data, size_t n)
{
	struct iovec iov[MANY];

	return writev(sock, iov, spread(iov, data, n));
}

static ssize_t do_send(char *data, size_t n)
{
	return send(sock, data, n, 0);
}

static ssize_t do_send_more(char *data, size_t n)
{
	return n > PIECE ? send(sock, data, PIECE, MSG_MORE) : send(sock, data, n, 0);
}

static ssize_t do_sendto(char *data, size_t n)
{
	return sendto(sock, data, n, 0, NULL, 0);
}

static ssize_t do_sendmsg(char *data, size_t n)
{
	struct iovec iov[MANY];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = spread(iov, data, n) };

	return sendmsg(sock, &msg, 0);
}

static ssize_t do_sendmmsg(char *data, size_t n)
{
	struct mmsghdr msgs[MESSAGES] = {};
	struct iovec iov[MESSAGES * 2];
	size_t each = n / MESSAGES + 2, begin = 0, sent = 0;
	int count = 0;

	for (; begin < n; begin += each, count++) {
		size_t size = n - begin < each ? n - begin : each;

		iov[2 * count] = (struct iovec){ data + begin, size / 2 };
		iov[2 * count + 1] = (struct iovec){ data + begin + size / 2, size - size / 2 };
		msgs[count].msg_hdr.msg_iov = &iov[2 * count];
		msgs[count].msg_hdr.msg_iovlen = 2;
	}
	count = sendmmsg(sock, msgs, count, 0);
	for (int i = 0; i < count; i++)
		sent += msgs[i].msg_len;
	return count < 0 ? -1 : (ssize_t)sent;
}

static ssize_t do_poll_writes(char *data, size_t n)
{
	struct pollfd ready = { .fd = sock, .events = POLLOUT };
	int small = 4096;
	ssize_t sent;

	/* A small buffer makes partial writes of large messages. */
	setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	while ((sent = send(sock, data, n, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
		poll(&ready, 1, -1);
	return sent;
}

static ssize_t do_sendfile(char *data, size_t n)
{
	(void)data;
	return sendfile(sock, file, &offset, n);
}

static ssize_t do_splice_out(char *data, size_t n)
{
	static int pipes[2];
	ssize_t got, sent = 0;

	(void)data;
	if (!pipes[0] && pipe(pipes))
		return -1;
	got = splice(file, &offset, pipes[1], NULL, n < 65536 ? n : 65536, 0);
	while (got > 0 && sent < got)
		sent += splice(pipes[0], NULL, sock, NULL, got - sent, 0);
	return got;
}

static ssize_t do_zerocopy(char *data, size_t n)
{
	struct pollfd ready = { .fd = sock };
	char control[128];
	struct msghdr msg = { .msg_control = control, .msg_controllen = sizeof(control) };
	int one = 1;
	ssize_t sent;

	if (setsockopt(sock, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)))
		return -1;
	sent = send(sock, data, n, MSG_ZEROCOPY);
	/* Take the notice that the memory is free again, so that the next send may reuse it. */
	if (sent > 0 && poll(&ready, 1, 5000) == 1)
		recvmsg(sock, &msg, MSG_ERRQUEUE);
	return sent;
}

static ssize_t do_uring_write(char *data, size_t n)
{
	io_uring_prep_write(io_uring_get_sqe(&ring), sock, data, n, 0);
	return ring_result();
}

static ssize_t do_uring_writev(char *data, size_t n)
{
	struct iovec iov[MANY];

	io_uring_prep_writev(io_uring_get_sqe(&ring), sock, iov, spread(iov, data, n), 0);
	return ring_result();
}

static ssize_t do_uring_send(char *data, size_t n)
{
	io_uring_prep_send(io_uring_get_sqe(&ring), sock, data, n, 0);
	return ring_result();
}

static ssize_t do_uring_sendmsg(char *data, size_t n)
{
	struct iovec iov[MANY];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = spread(iov, data, n) };

	io_uring_prep_sendmsg(io_uring_get_sqe(&ring), sock, &msg, 0);
	return ring_result();
}

static ssize_t do_uring_send_worker(char *data, size_t n)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	io_uring_prep_send(sqe, sock, data, n, 0);
	sqe->flags |= IOSQE_ASYNC;
	return ring_result();
}

static ssize_t do_uring_send_zerocopy(char *data, size_t n)
{
	io_uring_prep_send_zc(io_uring_get_sqe(&ring), sock, data, n, 0, 0);
	return ring_result();
}

struct way {
	const char *name;
	ssize_t (*move)(char *data, size_t n);
	unsigned int ring_flags;
};

static const struct way receivers[] = {
	{ "read", do_read },
	{ "readv", do_readv },
	{ "recv", do_recv },
	{ "recvfrom", do_recvfrom },
	{ "recv-waitall", do_recv_waitall },
	{ "recvmsg", do_recvmsg },
	{ "recvmmsg", do_recvmmsg },
	{ "peek", do_peek },
	{ "pieces", do_poll_pieces },
	{ "splice", do_splice_in },
	{ "uring-read", do_uring_read },
	{ "uring-readv", do_uring_readv },
	{ "uring-recv", do_uring_recv },
	{ "uring-recvmsg", do_uring_recvmsg },
	{ "uring-recv-worker", do_uring_recv_worker },
	{ "uring-recv-sqpoll", do_uring_recv, IORING_SETUP_SQPOLL },
	{},
};

static const struct way senders[] = {
	{ "write", do_write },
	{ "writev", do_writev },
	{ "send", do_send },
	{ "send-more", do_send_more },
	{ "sendto", do_sendto },
	{ "sendmsg", do_sendmsg },
	{ "sendmmsg", do_sendmmsg },
	{ "partial", do_poll_writes },
	{ "sendfile", do_sendfile },
	{ "splice", do_splice_out },
	{ "zerocopy", do_zerocopy },
	{ "uring-write", do_uring_write },
	{ "uring-writev", do_uring_writev },
	{ "uring-send", do_uring_send },
	{ "uring-sendmsg", do_uring_sendmsg },
	{ "uring-send-worker", do_uring_send_worker },
	{ "uring-send-zerocopy", do_uring_send_zerocopy },
	{ "uring-send-sqpoll", do_uring_send, IORING_SETUP_SQPOLL },
	{},
};

static const struct way *way_named(const struct way *ways, const char *name)
{
	for (; ways->name; ways++)
		if (!strcmp(ways->name, name))
			return ways;
	errx(1, "no way is named %s", name);
}

static void receive(const struct way *way, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = way->move(memory + done, n - done);

		if (got <= 0)
			err(1, "%s returned %zd after %zu bytes", way->name, got, done);
		done += got;
	}
}

static void send_file(const struct way *way, const char *name)
{
	struct stat about;
	ssize_t n, done = 0;

	file = open(name, O_RDONLY);
	if (file < 0 || fstat(file, &about) || about.st_size > LARGEST)
		err(1, "%s", name);
	n = pread(file, memory, about.st_size, 0);
	for (offset = 0; done < n;) {
		ssize_t sent = way->move(memory + done, n - done);

		if (sent <= 0)
			err(1, "%s returned %zd after %zd bytes", way->name, sent, done);
		done += sent;
	}
	close(file);
}

/* Let a child go on with what this process has; this one waits for it and ends with its status. */
static void go_on_in_child(void)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		return;
	close(sock);
	waitpid(child, &status, 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* The child is made before the socket is sent, and has closed what it inherited. */
static void go_on_in_receiver(void)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	int status, pair[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		err(1, "socketpair");
	child = fork();
	if (child == 0) {
		close(sock);
		if (recvmsg(pair[1], &msg, 0) != 1)
			err(1, "no socket was passed");
		memcpy(&sock, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(sock));
		return;
	}
	CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_SOCKET;
	CMSG_FIRSTHDR(&msg)->cmsg_type = SCM_RIGHTS;
	CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &sock, sizeof(sock));
	if (sendmsg(pair[0], &msg, 0) != 1)
		err(1, "the socket cannot be passed");
	close(sock);
	waitpid(child, &status, 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void connect_or_listen(const char *how, int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener, one = 1;

	sock = socket(AF_INET, SOCK_STREAM, 0);
	if (!strcmp(how, "connect")) {
		if (connect(sock, (struct sockaddr *)&address, sizeof(address)))
			err(1, "connect");
		return;
	}
	listener = sock;
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 1))
		err(1, "listen");
	sock = accept(listener, NULL, NULL);
	close(listener);
}

int main(int argc, char **argv)
{
	const struct way *receiver, *sender;
	char line[4096];
	int kept;

	if (argc != 5)
		errx(1, "usage: mover listen|connect PORT RECEIVE SEND");
	receiver = way_named(receivers, argv[3]);
	sender = way_named(senders, argv[4]);
	memory = malloc(LARGEST);
	if (io_uring_queue_init(8, &ring, receiver->ring_flags | sender->ring_flags))
		errx(1, "no io_uring");
	connect_or_listen(argv[1], atoi(argv[2]));
	for (puts("connected"), fflush(stdout); fgets(line, sizeof(line), stdin); puts("ok"), fflush(stdout)) {
		line[strcspn(line, "\n")] = 0;
		if (!strncmp(line, "receive ", 8))
			receive(receiver, atol(line + 8));
		else if (!strncmp(line, "send ", 5))
			send_file(sender, line + 5);
		else if (!strcmp(line, "dup"))
			kept = sock, sock = dup(sock), close(kept);
		else if (!strcmp(line, "fork"))
			go_on_in_child();
		else if (!strcmp(line, "pass"))
			go_on_in_receiver();
		else if (!strcmp(line, "end"))
			shutdown(sock, SHUT_WR);
		else
			errx(1, "no command: %s", line);
	}
	return 0;
}
