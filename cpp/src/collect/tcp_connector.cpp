#include "tcp_connector.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "headrace/base/error.h"

namespace headrace::collect {

namespace {

constexpr auto kHeadStart = std::chrono::milliseconds(250);

int socket_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

}  // namespace

void TcpConnector::connect(std::vector<SocketAddress> addresses) {
  addresses_ = std::move(addresses);
  try_next();
}

void TcpConnector::try_next() {
  if (next_ == addresses_.size()) return;
  const SocketAddress& address = addresses_[next_++];
  UniqueFd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS) && next_ == 1) {
    throw ResourceError(std::string("cannot open a socket: ") + std::strerror(errno) +
                        "; use fewer workers or raise the limit of open files (ulimit -n)");
  }
  if (!fd) return failed(errno);
  const int one = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  const int result = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length);
  if (result != 0 && errno != EINPROGRESS) return failed(errno);
  reactor_.loop.watch(fd.get(), EPOLLOUT, this);
  trying_.push_back(std::move(fd));
  if (next_ < addresses_.size()) arm(Clock::now() + kHeadStart);
}

void TcpConnector::on_ready(int fd, uint32_t events) {
  const auto found =
      std::find_if(trying_.begin(), trying_.end(), [fd](const UniqueFd& each) { return each.get() == fd; });
  if (found == trying_.end()) return;
  const auto place = static_cast<size_t>(found - trying_.begin());
  const int error = socket_error(fd);
  if (error == 0) return succeeded(place);
  drop(place);
  failed(error);
}

void TcpConnector::failed(int error) {
  error_ = std::strerror(error);
  if (next_ < addresses_.size()) return try_next();
  if (!trying_.empty()) return;  // another one may still answer
  disarm();
  done_(UniqueFd());
}

void TcpConnector::succeeded(size_t place) {
  reactor_.loop.unwatch(trying_[place].get());
  UniqueFd connected = std::move(trying_[place]);
  trying_.erase(trying_.begin() + static_cast<std::ptrdiff_t>(place));
  close_all();
  done_(std::move(connected));
}

void TcpConnector::drop(size_t place) {
  reactor_.loop.unwatch(trying_[place].get());
  trying_.erase(trying_.begin() + static_cast<std::ptrdiff_t>(place));
}

void TcpConnector::close_all() {
  disarm();
  while (!trying_.empty()) drop(trying_.size() - 1);
}

}  // namespace headrace::collect
