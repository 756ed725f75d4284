#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "fd.h"
#include "headrace/base/cancel.h"

namespace headrace::collect {

/// Stands between libssh and an SSH agent. libssh waits for the agent without limit, in the thread that
/// drives all sessions; the proxy hangs up instead, when the agent is silent for a second or the collection
/// is cancelled. An agent that was silent once is not asked again.
class AgentProxy {
 public:
  /// `socket`: the agent's path. Nothing happens before the first connect().
  AgentProxy(std::string socket, CancelToken cancel);
  ~AgentProxy();
  AgentProxy(const AgentProxy&) = delete;
  AgentProxy& operator=(const AgentProxy&) = delete;

  /// A connection to the agent; empty: there is none, or it is silent.
  UniqueFd connect();
  bool silent() const { return silent_; }

 private:
  struct Line;

  void relay();
  bool pump(Line& line);

  const std::string socket_;
  const CancelToken cancel_;
  std::atomic<bool> silent_ = false;
  std::atomic<bool> stopping_ = false;
  UniqueFd wakeup_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Line>> new_lines_;  // under the mutex
  std::thread thread_;
};

}  // namespace headrace::collect
