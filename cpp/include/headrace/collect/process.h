#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "headrace/base/cancel.h"
#include "headrace/collect/policy.h"
#include "headrace/collect/sink.h"
#include "headrace/collect/stream.h"

namespace headrace::collect {

/// A program and its arguments. The program is looked for in PATH unless it has a slash. No shell is
/// involved.
using Command = std::vector<std::string>;

/// Names and values.
using Environment = std::vector<std::pair<std::string, std::string>>;

class ProcessPool;

struct ProcessOptions : Limits {
  std::optional<std::string> input;  ///< what each process reads on its standard input; none: /dev/null
  /// The whole environment, exactly; none: this process's own.
  std::optional<Environment> env;
  std::string cwd;  ///< working directory; empty: this process's own
  double grace =
      0.2;  ///< seconds between SIGTERM and SIGKILL when the time is up; at most 0.1 when cancelled
};

/// Runs commands in parallel and collects what they print.
///
/// Each process is the leader of a session and a process group of its own. When its time is up, its output
/// too long, or nobody wants the answer any more, the whole tree gets SIGTERM, then SIGKILL: the group, the
/// session, all descendants, also those that made a session of their own, hold the output open, or (where
/// `env` is not set) carry its mark in their environment. Should this process die, the kernel kills the
/// process (not its descendants).
///
/// The answer is whole when the process has ended and its output is at its end; descendants that hold the
/// output open are waited for until the deadline. `ok` means exit status 0. Retried are time-outs and the
/// status 75 (EX_TEMPFAIL), no other status or signal. A program that is not there counts as status 127, one
/// that may not be executed as 126, as in a shell.
///
/// No signal handler is installed; only own children are waited for. Immutable, hence usable from many
/// threads.
class ProcessCollector {
 public:
  /// Takes a copy of this process's environment where `env` is not set. Throws ConfigurationError, naming the
  /// field.
  explicit ProcessCollector(ProcessOptions options);

  /// Runs one command in the calling thread.
  Outcome run(const Command& command, const CancelToken& cancel = {}) const;
  /// Runs all commands, `workers` at a time, from the calling thread and, where there are many, a few more
  /// that end with the call. Throws ConfigurationError on an empty command.
  void collect(const std::vector<Command>& commands, OutcomeSink& sink, const CancelToken& cancel = {}) const;
  /// The same in a thread of its own. The stream keeps what it needs of the collector.
  std::unique_ptr<OutcomeStream> stream(std::vector<Command> commands, int64_t capacity) const;

 private:
  std::shared_ptr<ProcessPool> pool_;  // also held by streams: options, what is kept from call to call
};

}  // namespace headrace::collect
