#pragma once

#include <sys/socket.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "reactor.h"

namespace headrace::collect {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

struct Resolved {
  std::vector<SocketAddress> addresses;  ///< empty: `error` says why
  std::string error;
  bool temporary = false;  ///< the name servers did not answer
};

/// Turns hosts into addresses. IP addresses at once; names in threads, as the system's look-up cannot be
/// interrupted: one that hangs is left behind, and ends when the system gives it up. A name is looked up once
/// a run.
class Resolver : public Loop::Handler {
 public:
  using Answer = std::function<void(const Resolved&)>;

  explicit Resolver(Reactor& reactor);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// Calls `answer` now or later, from the loop. `owner` identifies the question for forget().
  void resolve(const std::string& host, int port, const void* owner, Answer answer);
  /// The owner's question is not to be answered any more.
  void forget(const void* owner);
  void on_ready(int fd, uint32_t events) override;

 private:
  struct Question {
    const void* owner;
    int port;
    Answer answer;
  };
  class Mailbox;

  void ask(const std::string& host);
  void answer_all(const std::string& host);

  Reactor& reactor_;
  std::shared_ptr<Mailbox> mailbox_;  // shared with the look-ups under way
  std::map<std::string, Resolved> known_;
  std::map<std::string, std::vector<Question>> open_;
  int64_t running_ = 0;
  std::vector<std::string> queue_;  // names for which no thread is free
};

}  // namespace headrace::collect
