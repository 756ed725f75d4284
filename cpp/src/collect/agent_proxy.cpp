#include "agent_proxy.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <chrono>
#include <cstring>

#include "signals.h"

namespace headrace::collect {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kPatience = std::chrono::seconds(1);
constexpr int kPoll_ms = 50;

// An agent that does not even accept is met with a full queue: connect() on a non-blocking socket fails at
// once.
UniqueFd connect_to(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof name.sun_path) return UniqueFd();
  std::memcpy(name.sun_path, path.c_str(), path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd && ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) fd.reset();
  return fd;
}

}  // namespace

/// One connection of libssh's, and the one to the agent that answers it. Requests are short and come one at a
/// time.
struct AgentProxy::Line {
  UniqueFd client;
  UniqueFd agent;
  bool waiting = false;  // for the agent's answer
  Clock::time_point asked;
};

AgentProxy::AgentProxy(std::string socket, CancelToken cancel)
    : socket_(std::move(socket)),
      cancel_(std::move(cancel)),
      wakeup_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

AgentProxy::~AgentProxy() {
  stopping_ = true;
  const uint64_t one = 1;
  (void)!::write(wakeup_.get(), &one, sizeof one);
  if (thread_.joinable()) thread_.join();
}

UniqueFd AgentProxy::connect() {
  if (silent_ || socket_.empty() || !wakeup_) return UniqueFd();
  auto line = std::make_unique<Line>();
  line->agent = connect_to(socket_);
  int ends[2];
  if (!line->agent || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return UniqueFd();
  UniqueFd mine(ends[0]);
  line->client.reset(ends[1]);
  const std::lock_guard lock(mutex_);
  new_lines_.push_back(std::move(line));
  if (!thread_.joinable()) {
    const BlockSignals blocked;
    thread_ = std::thread([this] { relay(); });
  }
  const uint64_t one = 1;
  (void)!::write(wakeup_.get(), &one, sizeof one);
  return mine;
}

void AgentProxy::relay() {
  std::vector<std::unique_ptr<Line>> lines;
  while (!stopping_) {
    {
      const std::lock_guard lock(mutex_);
      for (auto& line : new_lines_) lines.push_back(std::move(line));
      new_lines_.clear();
    }
    std::vector<pollfd> watched = {{wakeup_.get(), POLLIN, 0}};
    for (const auto& line : lines) {
      watched.push_back({line->client.get(), POLLIN, 0});
      watched.push_back({line->agent.get(), POLLIN, 0});
    }
    ::poll(watched.data(), watched.size(), kPoll_ms);
    uint64_t count = 0;
    if (watched[0].revents != 0) (void)!::read(wakeup_.get(), &count, sizeof count);
    if (cancel_.cancelled()) return;  // closes all lines
    std::erase_if(lines, [this](const auto& line) { return !pump(*line); });
  }
}

// False: the line is over.
bool AgentProxy::pump(Line& line) {
  std::array<char, 16384> part;
  const ssize_t request = ::recv(line.client.get(), part.data(), part.size(), MSG_DONTWAIT);
  if (request > 0) {
    if (::send(line.agent.get(), part.data(), static_cast<size_t>(request), MSG_NOSIGNAL) != request)
      return false;
    if (!line.waiting) line.asked = Clock::now();
    line.waiting = true;
  } else if (request == 0 || (errno != EAGAIN && errno != EINTR)) {
    return false;
  }
  const ssize_t answer = ::recv(line.agent.get(), part.data(), part.size(), MSG_DONTWAIT);
  if (answer > 0) {
    line.waiting = false;
    return ::send(line.client.get(), part.data(), static_cast<size_t>(answer), MSG_NOSIGNAL) == answer;
  }
  if (answer == 0 || (errno != EAGAIN && errno != EINTR)) return false;
  if (!line.waiting || Clock::now() - line.asked < kPatience) return true;
  silent_ = true;
  return false;
}

}  // namespace headrace::collect
