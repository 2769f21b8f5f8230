#include "gateway/gw_tcp.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* Beyond what is on its way to the client: a window that is closed fills the kernel so far. */
#define GW_TCP_UNSENT_MAX (128 * 1024)

bool
gw_tcp_has_client(int listen_fd)
{
	struct pollfd polled = {.fd = listen_fd, .events = POLLIN};

	return poll(&polled, 1, 0) == 1;
}

void
gw_tcp_bound(int fd)
{
	const int unsent_max = GW_TCP_UNSENT_MAX;

	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_max, sizeof(unsent_max));
}

bool
gw_tcp_is_taking(int fd)
{
	int waiting = 0;

	return ioctl(fd, SIOCOUTQ, &waiting) == 0 && waiting > 0;
}

/*
 * The end of the client's window: what it has acknowledged, and what it has room
 * for besides, which grows as it reads. TCP_USER_TIMEOUT would watch over this by
 * itself, but ends connections whose clients read slowly, too: it counts on while
 * the window is open by less than what is next in the queue.
 */
uint64_t
gw_tcp_taken(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.tcpi_bytes_acked + info.tcpi_snd_wnd;
}

bool
gw_tcp_has_unread(int fd)
{
	int unread = 0;

	return ioctl(fd, SIOCINQ, &unread) == 0 && unread > 0;
}

bool
gw_tcp_is_dead(int fd)
{
	struct pollfd polled = {.fd = fd};

	return poll(&polled, 1, 0) == 1 && (polled.revents & (POLLHUP | POLLERR)) != 0;
}

void
gw_tcp_abort(int fd)
{
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}
