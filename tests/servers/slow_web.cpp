// A web server that costs next to nothing and thinks before it answers: slow_web DELAY_MS BODY_BYTES. Prints
// its port, keeps connections, answers every request alike, until its standard input ends.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <unordered_map>
#include <utility>

namespace {

using Clock = std::chrono::steady_clock;
constexpr int kInput = 0;

class Server {
 public:
  Server(int delay_ms, int body_bytes)
      : delay_(delay_ms),
        answer_("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body_bytes) + "\r\n\r\n" +
                std::string(static_cast<size_t>(body_bytes), 'x')),
        epoll_(::epoll_create1(0)),
        listener_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 512) != 0)
      std::abort();
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    std::printf("%d\n", ntohs(address.sin_port));
    std::fflush(stdout);
    watch(listener_);
    watch(kInput);
  }

  void run() {
    std::array<epoll_event, 64> ready;
    while (!ended_) {
      const int count = ::epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), patience());
      for (int i = 0; i < count; ++i) serve(ready[static_cast<size_t>(i)].data.fd);
      answer_due();
    }
  }

 private:
  void watch(int fd) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  int patience() const {
    if (due_.empty()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(due_.front().first - Clock::now()).count();
    return left > 0 ? static_cast<int>(left) : 0;
  }

  void serve(int fd) {
    if (fd == listener_) return accept_all();
    std::array<char, 65536> part;
    const ssize_t got = ::read(fd, part.data(), part.size());
    if (fd == kInput) {
      ended_ = got == 0;
    } else if (got <= 0) {
      requests_.erase(fd);
      ::close(fd);
    } else {
      take(fd, std::string(part.data(), static_cast<size_t>(got)));
    }
  }

  void accept_all() {
    for (int fd; (fd = ::accept(listener_, nullptr, nullptr)) >= 0; watch(fd)) {
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
  }

  void take(int fd, const std::string& text) {
    std::string& request = requests_[fd] += text;
    for (size_t end; (end = request.find("\r\n\r\n")) != std::string::npos; request.erase(0, end + 4)) {
      due_.emplace_back(Clock::now() + delay_, fd);
    }
  }

  void answer_due() {
    for (; !due_.empty() && due_.front().first <= Clock::now(); due_.pop_front()) {
      const int fd = due_.front().second;
      for (size_t sent = 0; sent < answer_.size() && requests_.count(fd) != 0;) {
        const ssize_t count = ::write(fd, answer_.data() + sent, answer_.size() - sent);
        if (count <= 0) break;  // its client has left: the next read says so, too
        sent += static_cast<size_t>(count);
      }
    }
  }

  const std::chrono::milliseconds delay_;
  const std::string answer_;
  const int epoll_;
  const int listener_;
  std::unordered_map<int, std::string> requests_;      // what has come of the next one
  std::deque<std::pair<Clock::time_point, int>> due_;  // when to answer whom; the delay is always the same
  bool ended_ = false;
};

}  // namespace

int main(int count, char** words) {
  if (count < 3) {
    std::fprintf(stderr, "usage: slow_web DELAY_MS BODY_BYTES\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  Server(std::atoi(words[1]), std::atoi(words[2])).run();
}
